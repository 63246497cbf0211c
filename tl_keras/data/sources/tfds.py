"""A data set of TensorFlow Datasets by name, unpacked once into a folder of image files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tl_keras.core.cache_folder import build_once, cache_dir
from tl_keras.core.console import progress, say
from tl_keras.core.native_output import suppress_native_output
from tl_keras.core.wording import listed
from tl_keras.data.example import Example
from tl_keras.data.listing import absolute
from tl_keras.data.sources.source import SPLIT_NAMES, ImageSource
from tl_keras.errors import DataError

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"GIF8": ".gif", b"RIFF": ".webp"}


def read_tfds(name: str, data_dir: str | None, splits: Mapping[str, str]) -> ImageSource:
    """List the images of a data set, downloading and unpacking it into the cache folder when it is new.

    Args:
        name: NAME[/CONFIG][:VERSION], as TensorFlow Datasets writes it.
        data_dir: Where prepared data sets lie; None for TensorFlow Datasets' own default.
        splits: Our split -> theirs, slices included; empty for all those they have.

    Raises:
        DataError: Unknown or impossible to prepare; no image or no class label in it; an unknown split.
    """
    builder = _prepared(name, data_dir)
    image, label = _columns(builder, name)
    classes = tuple(builder.info.features[label].names)
    examples: list[Example] = []
    for ours, theirs in (splits or _default_splits(builder, name)).items():
        root = _unpacked(builder, theirs, image, label)
        folders = {quote(class_name, safe=" "): class_name for class_name in classes}
        paths = sorted(root.glob("*/*"))
        examples += [Example(str(path), folders[path.parent.name], ours) for path in paths]
    return ImageSource(tuple(examples), classes)


def _prepared(name: str, data_dir: str | None) -> DatasetBuilder:
    where = str(absolute(data_dir)) if data_dir else None
    with suppress_native_output():
        builder = _builder(name, where)
    if not Path(builder.data_dir).exists():
        say(f"preparing tfds:{name} in {builder.data_dir}; it is downloaded first")
    with suppress_native_output():
        try:
            builder.download_and_prepare()
        except Exception as error:  # their builders are programs of their own: network, disk, packages, ...
            raise _cannot(f"prepare tfds:{name}", error) from None
    return builder


def _builder(name: str, data_dir: str | None) -> DatasetBuilder:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    tfds.disable_progress_bar()
    downloader.MAX_RETRIES = 5  # without a network it gives up in seconds; its own 10 take minutes
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise DataError(
            f"TensorFlow Datasets knows no {name!r}, and it is not in {data_dir or 'its default folder'}.\n"
            "Names are listed at https://www.tensorflow.org/datasets/catalog; your own data set is found "
            "with --set data.tfds_dir=FOLDER."
        ) from None
    except Exception as error:  # an AssertionError for a version, a ValueError for a part, ...
        raise _cannot(f"load tfds:{name}", error) from None


def _cannot(do: str, error: Exception) -> DataError:
    return DataError(
        f"Cannot {do}: {_first_line(error)}\n"
        "Prepare it where there is a network and name its folder: --set data.tfds_dir=FOLDER."
    )


def _columns(builder: DatasetBuilder, name: str) -> tuple[str, str]:
    """Return the names of the image and of the class label."""
    import tensorflow_datasets as tfds

    features: Mapping[str, Any] = builder.info.features
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    supervised = builder.info.supervised_keys
    if supervised and supervised[0] in images and supervised[1] in labels:
        return supervised[0], supervised[1]
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    raise DataError(
        f"Expected one image and one class label in tfds:{name}; found images {listed(images) or 'none'}, "
        f"class labels {listed(labels) or 'none'} among {listed(features)}."
    )


def _default_splits(builder: DatasetBuilder, name: str) -> Mapping[str, str]:
    splits = {SPLIT_NAMES[split]: split for split in builder.info.splits if split in SPLIT_NAMES}
    if "train" not in splits:
        raise DataError(
            f"tfds:{name} has no split `train`, only {listed(builder.info.splits)}.\n"
            "Say which to use: --set 'data.tfds_splits={train: SPLIT}'"
        )
    return {split: splits[split] for split in ("train", "val", "test") if split in splits}


def _unpacked(builder: DatasetBuilder, split: str, image: str, label: str) -> Path:
    """Return the folder <class>/<index>.<ext> that holds a split's image files, byte for byte."""
    # Two data sets of one name may lie in two places, or be prepared again with other contents.
    sizes = {name: (info.num_examples, info.num_bytes) for name, info in builder.info.splits.items()}
    fingerprint = hashlib.sha256(f"{builder.data_dir} {sizes}".encode()).hexdigest()[:8]
    name = builder.info.full_name.replace("/", "-")
    root = cache_dir() / "tfds" / f"{name}-{fingerprint}" / quote(split, safe="")

    def write(folder: Path) -> None:
        with progress(f"unpacking {split}", _size(builder, split)) as advance:
            for index, (class_name, data) in enumerate(_encoded(builder, split, image, label)):
                target = folder / quote(class_name, safe=" ") / f"{index:07d}{_suffix(data)}"
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(data)
                advance(1)

    return build_once(root, write)


def _size(builder: DatasetBuilder, split: str) -> int:
    try:
        return int(builder.info.splits[split].num_examples)
    except Exception as error:  # KeyError, ValueError or AssertionError, depending on what is wrong with it
        raise DataError(
            f"{builder.info.full_name} has no split {split!r}, only {listed(builder.info.splits)} "
            f"and parts of them such as train[:80%].\n{_first_line(error)}"
        ) from None


def _encoded(builder: DatasetBuilder, split: str, image: str, label: str) -> Iterator[tuple[str, bytes]]:
    """Yield the class name and the untouched image file of every example."""
    import tensorflow_datasets as tfds

    decoders = {image: tfds.decode.SkipDecoding()}
    for row in tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)):
        if row[label] < 0:
            raise DataError(
                f"Images in {split!r} of {builder.info.full_name} have no label.\n"
                "Leave that split out: --set 'data.tfds_splits={train: train, val: validation}'"
            )
        yield builder.info.features[label].int2str(row[label]), row[image]


def _suffix(data: bytes) -> str:
    return next((suffix for start, suffix in SUFFIXES.items() if data.startswith(start)), ".img")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__

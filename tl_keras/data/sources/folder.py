"""A folder with one folder of images per class, or with such folders for train, val and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tl_keras.data.example import SPLITS, Example
from tl_keras.data.files import Entries, entries_of, walk
from tl_keras.data.sources.source import SPLIT_NAMES, Source, counted, listed
from tl_keras.errors import DataError


@dataclass
class _PassedOver:
    """What was seen and not used, for the notes."""

    suffixes: Counter[str] = field(default_factory=Counter)
    folders: list[str] = field(default_factory=list)
    loose_images: dict[str, int] = field(default_factory=dict)
    unnameable: int = 0

    def add(self, entries: Entries) -> None:
        self.suffixes.update(file.suffix.lower() or file.name for file in entries.others)
        self.unnameable += entries.unnameable

    def notes(self) -> tuple[str, ...]:
        found = []
        if self.suffixes:
            kinds = ", ".join(sorted(self.suffixes)[:10])
            found.append(f"{counted(self.suffixes.total(), 'other file')} ignored ({kinds})")
        for folder, count in self.loose_images.items():
            found.append(f"{counted(count, 'image')} ignored in {folder}, beside the class folders")
        if self.folders:
            found.append(f"folders beside train/val/test ignored: {listed(self.folders)}")
        if self.unnameable:
            found.append(f"{counted(self.unnameable, 'file')} ignored: the name is not valid UTF-8")
        return tuple(found)


def read_folder(root: Path) -> Source:
    """List the images of class folders, or of train/val/test folders of class folders.

    Raises:
        DataError: It is no folder, is laid out in another way, or a class folder is empty.
    """
    if not root.is_dir():
        raise DataError(
            f"Expected a folder of class folders, a .csv or .tsv manifest, tfds:NAME or digits; "
            f"found the file {root}."
        )
    passed_over = _PassedOver()
    folders = entries_of(root).folders
    splits = _split_folders(root, folders) if _are_splits(folders) else {"": root}
    if "" not in splits:
        passed_over.folders = [folder.name for folder in folders if folder not in splits.values()]
    examples = [
        example for split, folder in splits.items() for example in _classes_in(folder, split, passed_over)
    ]
    classes = sorted({example.label for example in examples})
    return Source(tuple(examples), tuple(classes), passed_over.notes())


def _are_splits(folders: list[Path]) -> bool:
    """Tell splits from classes: a class may be called `train` too, but holds images and not folders."""
    named = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    return bool(named) and (len(named) == len(folders) or any(map(_holds_only_folders, named)))


def _holds_only_folders(folder: Path) -> bool:
    entries = entries_of(folder)
    return bool(entries.folders) and not entries.images


def _split_folders(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Return our split names -> folders."""
    splits: dict[str, Path] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split in splits:
            raise DataError(
                f"{splits[split].name!r} and {folder.name!r} in {root} both mean {split}; keep one of them."
            )
        if split:
            splits[split] = folder
    return {split: splits[split] for split in SPLITS if split in splits}


def _classes_in(root: Path, split: str, passed_over: _PassedOver) -> Iterator[Example]:
    entries = entries_of(root)
    passed_over.add(entries)
    if not entries.folders:
        raise DataError(_no_class_folders(root, len(entries.images)))
    if entries.images:
        passed_over.loose_images[root.name] = len(entries.images)
    for folder in entries.folders:
        yield from (Example(path, folder.name, split) for path in _images_of_class(folder, passed_over))


def _images_of_class(folder: Path, passed_over: _PassedOver) -> list[str]:
    paths = []
    for entries in walk(folder):
        passed_over.add(entries)
        paths += [str(image) for image in entries.images]
    if not paths:
        raise DataError(
            f"No images in the class folder {folder}.\n"
            "Add some or remove the folder: every folder here is taken for a class."
        )
    return sorted(paths)


def _no_class_folders(root: Path, images: int) -> str:
    found = f"{counted(images, 'image')} directly in it" if images else "neither folders nor images"
    return (
        f"Expected one folder per class in {root}; found {found}.\n"
        f"Put each class's images into a folder of its own, e.g. {root.name}/cats and {root.name}/dogs, "
        "or list path,label in a .csv file: tlk fit labels.csv"
    )

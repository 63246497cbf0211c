"""A folder with one folder of images per class, or with such folders for train, val and test."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tl_keras.core.wording import counted, listed
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.listing import Entries, entries_of, walk
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.source import SPLIT_NAMES, ImageSource
from tl_keras.errors import DataError


@dataclass
class FolderSurvey:
    """What is wrong, and what was seen and not used."""

    root: Path
    errors: list[Finding] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    loose_images: dict[Path, int] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    unnameable: int = 0
    nested: Counter[Path] = field(default_factory=Counter)
    links: list[Path] = field(default_factory=list)
    dead_links: list[Path] = field(default_factory=list)

    def add(self, entries: Entries) -> None:
        self.suffixes.update(file.suffix.lower() or file.name for file in entries.others)
        self.hidden.update("._*" if name.startswith("._") else name for name in entries.hidden)
        self.unnameable += entries.unnameable
        self.dead_links += entries.dead_links

    def error(self, kind: FindingKind, folder: Path, detail: str, label: str = "", split: str = "") -> None:
        self.errors.append(Finding(kind, str(folder), detail, label, split))

    def findings(self) -> Iterator[Finding]:
        yield from self.errors
        for folder, count in self.loose_images.items():
            detail = f"{counted(count, 'image')} ignored in {folder.name}, beside the class folders"
            yield Finding(kinds.LOOSE_IMAGES, str(folder), detail)
        for kind, detail in self._totals():
            yield Finding(kind, str(self.root), detail)

    def _totals(self) -> Iterator[tuple[FindingKind, str]]:
        if self.suffixes:
            yield kinds.OTHER_FILES, f"{_ignored(self.suffixes, 'other file')}"
        if self.folders:
            yield kinds.STRAY_FOLDERS, f"folders beside train/val/test ignored: {listed(self.folders)}"
        if self.unnameable:
            text = f"{counted(self.unnameable, 'file')} ignored: the name is not valid UTF-8"
            yield kinds.UNNAMEABLE_FILES, text
        if self.links:
            text = f"{counted(len(self.links), 'link')} to folders not followed: {self._named(self.links)}"
            yield kinds.UNFOLLOWED_LINKS, text
        if self.dead_links:
            text = f"{counted(len(self.dead_links), 'dead link')} ignored: {self._named(self.dead_links)}"
            yield kinds.DEAD_LINKS, text
        if self.hidden:
            yield kinds.HIDDEN_FILES, f"{_ignored(self.hidden, 'hidden or system file')}"
        if self.nested:
            images = counted(self.nested.total(), "image")
            text = (
                f"{images} in {counted(len(self.nested), 'folder')} below class folders count as the class's"
            )
            yield kinds.NESTED_IMAGES, text

    def _named(self, paths: Iterable[Path]) -> str:
        return listed(path.relative_to(self.root).as_posix() for path in paths)


def read_folder(root: Path) -> ImageSource:
    """List the images of class folders, or of train/val/test folders of class folders.

    Raises:
        DataError: It is no folder, or there are no class folders in it.
    """
    if not root.is_dir():
        raise DataError(
            f"Expected a folder of class folders, a .csv or .tsv manifest, tfds:NAME or digits; "
            f"found the file {root}."
        )
    seen = FolderSurvey(root)
    entries = entries_of(root)
    splits = {"": root}
    if _are_splits(entries.folders):
        splits = _split_folders(root, entries.folders, seen)
        _add_beside(entries, root, seen)
    examples = [example for split, folder in splits.items() for example in _classes_in(folder, split, seen)]
    classes = sorted({example.label for example in examples})
    return ImageSource(tuple(examples), tuple(classes), tuple(seen.findings()))


def _are_splits(folders: list[Path]) -> bool:
    """Tell splits from classes: a class may be called `train` too, but holds images and not folders."""
    named = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    return bool(named) and (len(named) == len(folders) or any(map(_holds_only_folders, named)))


def _holds_only_folders(folder: Path) -> bool:
    entries = entries_of(folder)
    return bool(entries.folders) and not entries.images


def _split_folders(root: Path, folders: list[Path], seen: FolderSurvey) -> dict[str, Path]:
    """Return our split names -> folders that have class folders."""
    splits: dict[str, Path] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None:
            seen.folders.append(folder.name)
        elif split in splits:
            names = f"{splits[split].name!r} and {folder.name!r}"
            detail = f"{names} in {root} both mean {split}; keep one of them."
            seen.error(kinds.DOUBLED_SPLITS, folder, detail, split=split)
        else:
            splits[split] = folder
    unlabeled = {split: entries for split in splits if not (entries := entries_of(splits[split])).folders}
    for split, entries in unlabeled.items():
        detail = _no_class_folders(splits[split], len(entries.images))
        if len(unlabeled) == len(splits):
            raise DataError(detail)
        seen.error(kinds.SPLITS_WITHOUT_CLASSES, splits[split], detail, split=split)
    return {split: splits[split] for split in SPLITS if split in splits and split not in unlabeled}


def _add_beside(entries: Entries, folder: Path, seen: FolderSurvey) -> None:
    """Write down what lies beside folders of classes or of splits."""
    seen.add(entries)
    if entries.images:
        seen.loose_images[folder] = len(entries.images)


def _classes_in(root: Path, split: str, seen: FolderSurvey) -> Iterator[Example]:
    entries = entries_of(root)
    if not entries.folders:
        above = _folder_of_all(root) if entries.images and not split else ""
        raise DataError(_no_class_folders(root, len(entries.images)) + above)
    _add_beside(entries, root, seen)
    for folder in entries.folders:
        if _leads_back(folder, root):
            seen.links.append(folder)
            continue
        images = _images_of_class(folder, seen)
        if not images:
            detail = (
                f"No images in the class folder {folder}.\n"
                "Add some or remove the folder: every folder here is taken for a class."
            )
            seen.error(kinds.EMPTY_CLASSES, folder, detail, folder.name, split)
        yield from (Example(path, folder.name, split) for path in images)


def _leads_back(folder: Path, root: Path) -> bool:
    """Tell whether a class folder is a link to the folder it lies in, or to one above that."""
    if not folder.is_symlink():
        return False
    target = Path(os.path.realpath(folder))
    here = Path(os.path.realpath(root))
    return target == here or target in here.parents


def _images_of_class(folder: Path, seen: FolderSurvey) -> list[str]:
    paths = []
    for number, entries in enumerate(walk(folder)):
        seen.add(entries)
        seen.links += [below for below in entries.folders if below.is_symlink()]
        paths += [str(image) for image in entries.images]
        if number and entries.images:
            seen.nested[entries.images[0].parent] += len(entries.images)
    return sorted(paths)


def _ignored(names: Counter[str], noun: str) -> str:
    return f"{counted(names.total(), noun)} ignored ({', '.join(sorted(names)[:10])})"


def _no_class_folders(root: Path, images: int) -> str:
    found = f"{counted(images, 'image')} directly in it" if images else "neither folders nor images"
    return (
        f"Expected one folder per class in {root}; found {found}.\n"
        f"Put each class's images into a folder of its own, e.g. {root.name}/cats and {root.name}/dogs, "
        "or list path,label in a .csv file and name that."
    )


def _folder_of_all(root: Path) -> str:
    """Return a proposal to name the folder above, if what was named looks like one of its classes."""
    above = root.absolute().parent
    try:
        names = [folder.name for folder in entries_of(above).folders if _has_images(folder)]
    except DataError:
        return ""
    if root.name not in names or len(names) < 2 or {name.lower() for name in names} & SPLIT_NAMES.keys():
        return ""
    return f"\nIf it is itself one of the classes {listed(names)}, name the folder of all: {above}"


def _has_images(folder: Path) -> bool:
    try:
        return bool(entries_of(folder).images)
    except DataError:
        return False

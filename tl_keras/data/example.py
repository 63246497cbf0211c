"""One labeled image, as every part of the program passes it on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tl_keras.errors import BadImage, SkipReason

LABEL_SEPARATOR = "|"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Example:
    """A labeled image file.

    Attributes:
        path: Absolute path of the file.
        label: Class name; several joined by `|` when the task is multi-label.
        split: `train`, `val`, `test`, or empty while undecided.
        sha256: Hex digest of the file's bytes, or empty while unread.
        skipped: Why the image is left out; None when it is used.
        detail: What belongs to that reason, such as the decoder's message or the path of the copy.
        group: Images of one group never straddle splits: the user's name for it, or for near-duplicates the
            smallest hash among them. Empty for an image by itself.
    """

    path: str
    label: str
    split: str = ""
    sha256: str = ""
    skipped: SkipReason | None = None
    detail: str = ""
    group: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names of this image (none for an empty multi-label cell)."""
        return tuple(part for part in self.label.split(LABEL_SEPARATOR) if part)

    @property
    def problem(self) -> str:
        """Why the image is left out, as a sentence; empty when it is used."""
        return "" if self.skipped is None else f"{self.skipped}{self.detail}"

    @property
    def is_used(self) -> bool:
        """Whether there is no reason to leave it out."""
        return self.skipped is None

    @property
    def is_broken(self) -> bool:
        """Whether it is left out because it cannot be read."""
        return self.skipped is not None and self.skipped.is_fault

    @property
    def is_excluded(self) -> bool:
        """Whether the user leaves it out."""
        return self.skipped is SkipReason.EXCLUDED

    @property
    def split_unit(self) -> str:
        """What goes into a split as a whole: the image's group, or the content of an image by itself."""
        return self.group or self.sha256

    def skip(self, reason: SkipReason, detail: str = "") -> Example:
        """Return it left out."""
        return replace(self, skipped=reason, detail=detail)

    def as_read(self, sha256: str, fault: BadImage | None) -> Example:
        """Return it as its file was found: used, or left out for that fault."""
        read = replace(self, sha256=sha256, skipped=None, detail="")
        return read if fault is None else read.skip(fault.reason, fault.detail)

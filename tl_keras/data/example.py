"""One labelled image, as every part of the program passes it on."""

from __future__ import annotations

from dataclasses import dataclass

LABEL_SEPARATOR = "|"
SPLITS = ("train", "val", "test")
EXCLUDED, COPY, LIMITED = "excluded by ", "copy of ", "beyond data.limit_per_class"
CONFLICT = "the same image has other labels too: "
"""How the reasons begin for which an image is left out although it can be read."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image file.

    Attributes:
        path: Absolute path of the file.
        label: Class name; several joined by `|` when the task is multi-label.
        split: `train`, `val`, `test`, or empty while undecided.
        sha256: Hex digest of the file's bytes, or empty while unread.
        problem: Why the image is left out, or empty when it is used.
        group: Images of one group never straddle splits: the user's name for it, or for near-duplicates the
            smallest hash among them. Empty for an image by itself.
    """

    path: str
    label: str
    split: str = ""
    sha256: str = ""
    problem: str = ""
    group: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names of this image (none for an empty multi-label cell)."""
        return tuple(part for part in self.label.split(LABEL_SEPARATOR) if part)

    @property
    def is_broken(self) -> bool:
        """Whether it is left out because it cannot be read."""
        return bool(self.problem) and not self.problem.startswith((EXCLUDED, COPY, CONFLICT, LIMITED))

    @property
    def is_excluded(self) -> bool:
        """Whether the user leaves it out."""
        return self.problem.startswith(EXCLUDED)

    @property
    def split_unit(self) -> str:
        """What goes into a split as a whole: the image's group, or the content of an image by itself."""
        return self.group or self.sha256

"""What the inspection looks for in image files, copies, classes and labels."""

from __future__ import annotations

from tl_keras.data.findings import FindingKind
from tl_keras.errors import SkipReason

_LEFT_OUT = "tlk fit leaves them out and lists them in the run's manifest.csv."
_AS_IS = "tlk fit uses them as they are."
_FIRST = "Where it makes the splits, tlk fit uses the first and leaves the others out."
_TOGETHER = "Where it makes the splits, tlk fit keeps them in one."
_REPORTED = "tlk fit changes nothing in your splits; tlk evaluate gives the accuracy with and without them."

MISSING_FILE = FindingKind(
    "missing_file", "error", "files that are not there", "The path or link leads nowhere.", _LEFT_OUT
)
NO_PERMISSION = FindingKind(
    "no_permission", "error", "files without permission", "You may not read them: chmod or chown.", _LEFT_OUT
)
EMPTY_FILE = FindingKind(
    "empty_file", "error", "empty files", "They have no bytes: a failed download or copy.", _LEFT_OUT
)
NOT_AN_IMAGE = FindingKind(
    "not_an_image", "error", "files that are no images",
    "Whatever the name says: not JPEG, PNG, BMP, GIF or WebP. Convert TIFF and HEIC.", _LEFT_OUT,
)  # fmt: skip
DAMAGED_FILE = FindingKind(
    "damaged_file",
    "error",
    "truncated or damaged files",
    "They begin as images and cannot be decoded.",
    _LEFT_OUT,
)
TOO_LARGE = FindingKind(
    "too_large", "error", "images that are too large",
    "Beyond data.max_megapixels, 65,535 pixels a side or 1 GiB: a bomb, or to be scaled down.", _LEFT_OUT,
)  # fmt: skip
UNREADABLE = FindingKind(
    "unreadable",
    "error",
    "files that cannot be read",
    "The disk refuses, or they are pipes or devices.",
    _LEFT_OUT,
)
BY_REASON = {
    SkipReason.MISSING: MISSING_FILE,
    SkipReason.NO_PERMISSION: NO_PERMISSION,
    SkipReason.EMPTY: EMPTY_FILE,
    SkipReason.NOT_AN_IMAGE: NOT_AN_IMAGE,
    SkipReason.FOLDER: NOT_AN_IMAGE,
    SkipReason.DAMAGED: DAMAGED_FILE,
    SkipReason.TOO_LARGE: TOO_LARGE,
    SkipReason.UNREADABLE: UNREADABLE,
}
"""Why an image cannot be read -> kind."""

WRONG_EXTENSION = FindingKind(
    "wrong_extension", "warning", "extensions that lie", "Other programs may stumble over them.",
    "tlk fit goes by the content.",
)  # fmt: skip
ANIMATED = FindingKind(
    "animated", "warning", "animated images", "Is the first frame what the label says?",
    "tlk fit uses the first frame.",
)  # fmt: skip
FAR_TOO_SMALL = FindingKind(
    "far_too_small", "warning", "images far smaller than the model's input",
    "Scaled up more than four times for the --backbone and --image-size of this inspection: name those that "
    "you will train with, or take larger images.", _AS_IS,
)  # fmt: skip
EXTREME_ASPECT = FindingKind(
    "extreme_aspect", "warning", "images with an extreme aspect ratio",
    "More than four times as long as wide: little is left by a center crop; see --resize pad.", _AS_IS,
)  # fmt: skip
BLANK = FindingKind("blank", "warning", "images of one color", "There is nothing to see in them.", _AS_IS)
ROTATED = FindingKind(
    "rotated",
    "note",
    "images that EXIF says to rotate",
    "The pixels lie on their side.",
    "tlk fit turns them upright.",
)
CMYK = FindingKind("cmyk", "note", "CMYK images", "Made for print.", "tlk fit converts them to RGB.")
DEEP = FindingKind(
    "deep", "note", "images of 16 bits per channel", "The model takes 8.", "tlk fit keeps the upper 8 bits."
)
PALETTE = FindingKind(
    "palette", "note", "palette images", "256 colors at most.", "tlk fit converts them to RGB."
)
ALPHA = FindingKind(
    "alpha", "note", "images with transparency", "Colors that nobody sees lie under it.",
    "tlk fit drops the alpha channel: what lies under it counts.",
)  # fmt: skip

OTHER_LABEL = FindingKind(
    "other_label", "error", "identical images under different labels", "One of the labels is wrong.",
    "Where it makes the splits, tlk fit leaves all of them out.",
)  # fmt: skip
LEAK = FindingKind(
    "leak", "error", "identical images across your splits", "The score of val or test flatters.", _REPORTED
)
NEAR_LEAK = FindingKind(
    "near_leak",
    "error",
    "near-duplicates across your splits",
    "The score of val or test flatters.",
    _REPORTED,
)
GROUP_LEAK = FindingKind(
    "group_leak", "error", "groups across your splits", "The score of val or test flatters.", _REPORTED
)
EXACT_COPY = FindingKind(
    "exact_copy", "warning", "exact copies", "They count twice, and teach nothing new.", _FIRST
)
NEAR_DUPLICATE = FindingKind(
    "near_duplicate", "warning", "near-duplicates", "The same picture, scaled, re-encoded or little changed.",
    _TOGETHER,
)  # fmt: skip
NEAR_CONFLICT = FindingKind(
    "near_conflict",
    "warning",
    "near-duplicates under different labels",
    "One of the labels may be wrong.",
    _TOGETHER,
)

FEW_IMAGES = FindingKind(
    "few_images", "error", "classes with too few images for the splits",
    "Every class needs an image in train, val and test.", "tlk fit refuses to start.",
)  # fmt: skip
SMALL_CLASS = FindingKind(
    "small_class",
    "warning",
    "classes with fewer than 20 images",
    "Their scores are a matter of luck.",
    _AS_IS,
)
IMBALANCE = FindingKind(
    "imbalance", "warning", "imbalance", "The rarest class has less than a fifth of the largest.",
    "tlk fit uses all; see train.class_weight and data.sampling.",
)  # fmt: skip

WRONG_LABEL = FindingKind(
    "wrong_label", "warning", "probably wrong labels",
    "A classifier that did not see the image is sure of another label.",
    "tlk fit believes your labels; write exclude or relabel into issues.csv and use --exclude issues.csv.",
)  # fmt: skip

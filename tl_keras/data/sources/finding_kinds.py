"""The kinds of findings that need no image to be opened: about folders, tables and classes."""

from __future__ import annotations

from tl_keras.data.findings import FindingKind

REFUSES = "tlk fit refuses the data set."

# Folders

OTHER_FILES = FindingKind(
    "other_files",
    "note",
    "other files",
    "They lie among the images but have no image's suffix.",
    "tlk fit ignores them.",
)
HIDDEN_FILES = FindingKind(
    "hidden_files",
    "note",
    "hidden or system files",
    "Operating systems and programs leave them behind; they are no images of yours.",
    "tlk fit ignores them without a word.",
)
LOOSE_IMAGES = FindingKind(
    "loose_images",
    "warning",
    "images beside class folders",
    "They lie in no class folder, so nobody knows what they show.",
    "tlk fit ignores them.",
)
STRAY_FOLDERS = FindingKind(
    "stray_folders",
    "warning",
    "folders beside train, val and test",
    "Where there are folders for splits, images elsewhere belong to none of them.",
    "tlk fit ignores them.",
)
NESTED_IMAGES = FindingKind(
    "nested_images",
    "note",
    "images in folders below a class folder",
    "Such folders are not taken for classes of their own.",
    "tlk fit counts them as images of the class.",
)
UNNAMEABLE_FILES = FindingKind(
    "unnameable_files",
    "warning",
    "names that are not valid UTF-8",
    "Such a name cannot be written into any list or table.",
    "tlk fit ignores the files.",
)
EMPTY_CLASSES = FindingKind(
    "empty_classes",
    "error",
    "class folders without images",
    "A class cannot be learned from nothing, and an empty folder is often a failed copy.",
    REFUSES,
)
DOUBLED_SPLITS = FindingKind(
    "doubled_splits",
    "error",
    "second folders for one split",
    "Two names, such as val and validation, mean the same split.",
    REFUSES,
)
SPLITS_WITHOUT_CLASSES = FindingKind(
    "splits_without_classes",
    "error",
    "split folders without class folders",
    "Images that lie directly in a split's folder have no label.",
    REFUSES,
)
UNFOLLOWED_LINKS = FindingKind(
    "unfollowed_links",
    "warning",
    "links to folders that are not followed",
    "Only a class folder itself may be a link; below it, or back to a folder above, links may go in circles.",
    "tlk fit ignores what is behind them.",
)
DEAD_LINKS = FindingKind(
    "dead_links",
    "warning",
    "links that lead nowhere",
    "What they pointed to was moved or removed, perhaps a whole class.",
    "tlk fit ignores them.",
)
NAMESAKES = FindingKind(
    "namesakes",
    "note",
    "folders called like a built-in data set",
    "The name alone means the built-in data set, not the folder.",
    "tlk fit takes the built-in data set.",
)

# Classes and splits

JOINED_CLASSES = FindingKind(
    "joined_classes",
    "error",
    "labels that name several classes",
    "A | in a label joins several classes, but every image has exactly one when data.task is multiclass.",
    REFUSES,
)
BROKEN_CLASSES = FindingKind(
    "broken_classes",
    "error",
    "class names with line breaks",
    "A model's labels.txt has one line per class.",
    REFUSES,
)
ALIKE_CLASSES = FindingKind(
    "alike_classes",
    "warning",
    "class names that are spelled almost alike",
    "Names that differ only in case, spaces, hyphens, underscores or Unicode form are usually one class.",
    "tlk fit trains them as different classes.",
)
NO_IMAGES = FindingKind(
    "no_images", "error", "data sets without usable images", "There is nothing to learn from.", REFUSES
)
ONE_CLASS = FindingKind(
    "one_class",
    "error",
    "data sets with fewer than two classes",
    "A classifier has to tell one thing from another.",
    REFUSES,
)
NO_TRAIN = FindingKind(
    "no_train",
    "error",
    "splits without train",
    "There are images to test on but none to learn from.",
    REFUSES,
)
CLASSES_NOT_IN_TRAIN = FindingKind(
    "classes_not_in_train",
    "error",
    "classes without training images",
    "What is not in train cannot be learned, and counts as mistakes in val and test.",
    REFUSES,
)
CLASSES_NOT_MEASURED = FindingKind(
    "classes_not_measured",
    "warning",
    "classes that val or test lacks",
    "Figures from this split say nothing about these classes.",
    "tlk fit continues without them.",
)

# Manifests

EMPTY_PATHS = FindingKind(
    "empty_paths", "error", "rows without a path", "The row belongs to no image.", REFUSES
)
EMPTY_LABELS = FindingKind(
    "empty_labels", "error", "rows without a label", "The image cannot teach or measure any class.", REFUSES
)
UNKNOWN_SPLITS = FindingKind(
    "unknown_splits",
    "error",
    "rows with an unknown split",
    "A split is train, val or test.",
    REFUSES,
)
MISSING_SPLITS = FindingKind(
    "missing_splits",
    "error",
    "rows without a split among rows with one",
    "Either every row says where it belongs or none does.",
    REFUSES,
)
CONFLICTING_LABELS = FindingKind(
    "conflicting_labels",
    "error",
    "rows that give an image a second label",
    "At most one of the labels is right.",
    REFUSES,
)
CONFLICTING_SPLITS = FindingKind(
    "conflicting_splits",
    "error",
    "rows that put an image into a second split",
    "An image that is trained on must not be tested on.",
    REFUSES,
)
CONFLICTING_GROUPS = FindingKind(
    "conflicting_groups",
    "error",
    "rows that put an image into a second group",
    "An image belongs to one group, whose images stay in one split.",
    REFUSES,
)
REPEATED_ROWS = FindingKind(
    "repeated_rows",
    "warning",
    "repeated rows",
    "They say again what another row says, which may be a slip in making the table.",
    "tlk fit keeps one of them.",
)
RAGGED_ROWS = FindingKind(
    "ragged_rows",
    "warning",
    "rows with more cells than the header",
    "Often a comma in a path or label without quotation marks, which shifts all that follows.",
    "tlk fit ignores the cells beyond the header.",
)
UNUSED_COLUMNS = FindingKind(
    "unused_columns",
    "warning",
    "columns that look like split or group",
    "A column counts under its exact name only, so a division or grouping meant here is lost.",
    "tlk fit ignores them.",
)

# Settings

GROUPS = FindingKind(
    "groups",
    "note",
    "groups of images",
    "Images of one group are too alike to be trained on and tested on.",
    "tlk fit keeps each group in one split, where it makes the splits.",
)
EXCLUSIONS = FindingKind(
    "exclusions",
    "note",
    "images left out or relabeled by a table",
    "The table that data.exclude names says so.",
    "tlk fit obeys the table.",
)
UNMATCHED_EXCLUSIONS = FindingKind(
    "unmatched_exclusions",
    "warning",
    "rows of data.exclude about images that are not here",
    "Nothing was done about them; the table may belong to other images, or to an older state of these.",
    "tlk fit ignores them.",
)

QUIET = frozenset({HIDDEN_FILES, NESTED_IMAGES})
"""What `tlk fit` does not mention: nobody has to do anything about it."""

TRAINING_ONLY = frozenset({NO_IMAGES, ONE_CLASS, NO_TRAIN, CLASSES_NOT_IN_TRAIN, CLASSES_NOT_MEASURED})
"""What matters to a training, but not to a finished model that is measured on the images."""

ABOUT_ONE_IMAGE = frozenset(
    {
        EMPTY_LABELS,
        JOINED_CLASSES,
        UNKNOWN_SPLITS,
        MISSING_SPLITS,
        CONFLICTING_LABELS,
        CONFLICTING_SPLITS,
        CONFLICTING_GROUPS,
    }
)
"""Errors that are settled when the image is left out."""

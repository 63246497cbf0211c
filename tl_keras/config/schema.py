"""The settings of a run: one validated tree, with one line of meaning per setting.

Settings come, later over earlier, from the defaults here, `--config file.yaml`, `--set path=value`
and the named options. Unknown keys are errors; all faults are reported at once.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from tl_keras.config.yaml_format import write_yaml
from tl_keras.core.types import Resize, Task

Sampling = Literal["natural", "balanced"]


class Section(BaseModel):
    """A part of the settings tree: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @classmethod
    def setting_names(cls) -> list[str]:
        """Return the names of what can be set here."""
        return [name for name, field in cls.model_fields.items() if not field.exclude]


def _name(value: Any) -> Any:
    """Read a name that YAML takes for a whole number, such as that of a folder called 2024."""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool | float):
        raise ValueError("expected text; quote a name that looks like something else: '\"1.10\"'")
    return value


Name = Annotated[str, BeforeValidator(_name)]
"""Text that is a path, or the name of something."""


class SplitConfig(Section):
    """Shares of the images when the source brings no splits of its own; they must add up to 1."""

    train: float = Field(0.8, gt=0, lt=1)
    """Share that is learned from."""
    val: float = Field(0.1, gt=0, lt=1)
    """Share that decides when to stop, and which epoch is kept."""
    test: float = Field(0.1, gt=0, lt=1)
    """Share that only the final measurement sees."""

    @model_validator(mode="before")
    @classmethod
    def _percentages(cls, value: Any) -> Any:
        """Read `80/10/10`."""
        if not isinstance(value, str):
            return value
        shares = value.split("/")
        if len(shares) != 3 or not all(share.strip().replace(".", "", 1).isdigit() for share in shares):
            raise ValueError("expected percentages of train, val and test such as 80/10/10")
        numbers = [float(share) for share in shares]
        whole = 1 if abs(sum(numbers) - 1) < 1e-6 else 100
        return dict(zip(("train", "val", "test"), (number / whole for number in numbers), strict=True))

    @model_validator(mode="after")
    def _adds_up(self) -> SplitConfig:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + val + test must be 1, found {total:g}")
        return self


class DataConfig(Section):
    """Where images come from and how they become tensors."""

    source: Name | None = None
    """A folder of class folders or of train/val/test folders, a .csv/.tsv manifest, `tfds:NAME`, `digits`."""
    task: Task = "multiclass"
    """`multiclass`: one class per image. `multilabel`: any number of them (manifests only, labels joined by
    `|`)."""
    split: SplitConfig = SplitConfig()
    """Used for what the source does not split itself; `80/10/10` will do."""
    folds: int = Field(0, ge=0)
    """Cross-validation: test is one of so many equal parts, and val and train share the rest; 0 for none."""
    fold: int = Field(1, ge=1)
    """Which of the `folds`, from 1."""
    group_by: Name | None = None
    """A regular expression: images whose paths match it alike (by its group, if it has one) share a split."""
    near_duplicates: Literal["group", "ignore"] = "group"
    """`group`: images that look the same share a split. `ignore`: for sets in which all look alike."""
    limit_per_class: int | None = Field(None, ge=1)
    """Train on at most so many images of a class, for few-shot trials; val and test stay as they are."""
    exclude: Name | None = None
    """The issues.csv of `tlk inspect`, edited: rows with the action `exclude` or `relabel` are obeyed.
    Of any other table with a column `path`, all rows are left out."""
    on_bad: Literal["skip", "fail"] = "skip"
    """What to do about images that cannot be read: `skip` leaves them out, `fail` stops."""
    max_bad: float = Field(0.05, ge=0, le=1)
    """With `skip`: stop all the same when more than this share of the images cannot be read."""
    max_megapixels: float = Field(200.0, gt=0, le=200)
    """Larger images are taken for decompression bombs and left out."""
    sampling: Sampling = "natural"
    """`natural`: an epoch is each image once. `balanced`: it draws as many, but from all classes alike."""
    tfds_dir: Name | None = None
    """Where TensorFlow Datasets are on disk; None for its own default."""
    tfds_splits: dict[Literal["train", "val", "test"], Name] = {}
    """For `tfds:`: our split (`train`, `val`, `test`) -> theirs, e.g. {train: "train[:80%]",
    val: "train[80%:]", test: test}."""
    image_size: int | None = Field(None, ge=8, le=2048)
    """Height and width of the model's input, pixels; None for the backbone's own."""
    resize: Resize = "crop"
    """`crop` (center), `pad` (black bars), `squash` (ignore the aspect ratio)."""
    crop_fraction: float = Field(1.0, gt=0, le=1)
    """For `crop`: share of the largest center crop that is kept; 0.875 is resize 256, crop 224."""
    cache_mb: int = Field(1024, ge=0)
    """Decoded images are kept in memory between epochs when a split needs no more than this, MiB."""

    @field_validator("group_by")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> DataConfig:
        if self.folds == 0 and self.fold > 1:
            raise ValueError(f"fold {self.fold} of how many? Set data.folds (--folds) too")
        if self.folds == 1 or self.fold > max(self.folds, 1):
            raise ValueError(
                f"expected folds of 2 or more and a fold up to that, found {self.fold}/{self.folds}"
            )
        return self


class ModelConfig(Section):
    """The backbone and the head on top of it."""

    backbone: Name = "ResNet50"
    """A name from `tlk backbones`."""
    options: dict[str, Any] = {}
    """Passed to the backbone's constructor, e.g. {alpha: 0.35}."""
    weights: Name = Field("pretrained", min_length=1)
    """`pretrained` (ImageNet; Tiny: CIFAR-10, offline), `none` (random), a run of `tlk pretrain`, or the path
    of a .weights.h5, .h5 or .keras file."""
    pooling: Literal["avg", "max"] = "avg"
    """Global pooling of the backbone's last feature map: `avg`, the mean, or `max`."""

    @field_validator("weights")
    @classmethod
    def _present_name(cls, value: str) -> str:
        if value == "imagenet":
            raise ValueError("say pretrained, which is ImageNet for all networks but Tiny")
        return value


class HeadConfig(Section):
    """The layers that are always trained: hidden dense layers, then one output per class."""

    hidden: tuple[int, ...] = ()
    """Widths of hidden dense layers, e.g. [256, 128]; empty for a linear head."""
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    """Activation of the hidden layers: `relu`, `gelu`, `silu` or `tanh`."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout rate before every dense layer."""
    standardize: bool = False
    """Train on features of mean 0 and deviation 1; afterwards this is folded into the first dense layer."""

    @model_validator(mode="after")
    def _widths(self) -> HeadConfig:
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden widths must be at least 1, found {list(self.hidden)}")
        return self


class AugmentConfig(Section):
    """Random changes to training images; 0 or `none` switches one off. All are off by default."""

    views: int = Field(4, ge=1)
    """With stored features: changed copies of each image, made once; each epoch takes one, or the image."""

    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none"
    """Mirror images at random: `none`, `horizontal`, `vertical` or `horizontal_and_vertical`."""
    rotation: float = Field(0.0, ge=0, le=180)
    """Largest rotation either way, degrees."""
    zoom: float = Field(0.0, ge=0, lt=1)
    """Largest zoom in or out, as a share of the size."""
    translation: float = Field(0.0, ge=0, lt=1)
    """Largest shift along each axis, as a share of the size."""
    color_jitter: float = Field(0.0, ge=0, le=1)
    """Strength of random brightness, contrast, saturation and (a tenth of it) hue."""
    random_resized_crop: float = Field(0.0, ge=0, le=1)
    """Smallest share of the image's area that a random crop (aspect 3:4 to 4:3) keeps; 0.08 is usual."""
    rand_augment: float = Field(0.0, ge=0, le=1)
    """Magnitude of RandAugment (two operations per batch); 0.3 is a mild start."""
    mixup: float = Field(0.0, ge=0, le=1)
    """Alpha of MixUp; 0.2 is usual."""
    cutmix: float = Field(0.0, ge=0, le=1)
    """Strength of CutMix; 1.0 is usual."""

    @property
    def mixes_images(self) -> bool:
        """Whether several images are mixed into one, with their labels."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def stored_views(self) -> int:
        """How many changed copies of each image are stored: none, when nothing is changed."""
        return self.views if self.model_copy(update={"views": 1}) != AugmentConfig(views=1) else 0


class ScheduleConfig(Section):
    """How the learning rate changes during a phase."""

    kind: Literal["constant", "plateau", "step", "cosine", "one_cycle"] = "plateau"
    """`constant`; `plateau` lowers it when the monitored value stalls; `step` every N epochs; `cosine` to
    zero; `one_cycle` raises it to the learning rate in the first 30 % of the steps and lowers it to nearly
    zero."""
    factor: float = Field(0.1, gt=0, lt=1)
    """For plateau and step: the rate is multiplied by this."""
    every: int = Field(7, ge=1)
    """For step: epochs between two steps."""
    patience: int = Field(3, ge=1)
    """For plateau: epochs without improvement before a step."""
    warmup_epochs: int = Field(0, ge=0)
    """For cosine: epochs of linear increase from zero, at most half of all."""


AUTO_BATCH = 32
"""The batch size that `auto` starts with."""


class PhaseConfig(Section):
    """One training phase."""

    epochs: int = Field(30, ge=1)
    """At most this many passes over the training images."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 32
    """Images per step, over all replicas. `auto`: 32, halved until they fit into memory; `accumulate` is then
    doubled."""
    accumulate: int = Field(1, ge=1)
    """The weights change after so many steps, by the mean of their gradients."""
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop", "lion"] = "adam"
    """Update rule: `sgd`, `adam`, `adamw`, `rmsprop` or `lion`."""
    learning_rate: float = Field(3e-3, gt=0)
    """Rate at the start (cosine: after warm-up; one_cycle: at the top)."""
    learning_rate_batch: int | None = Field(None, ge=1)
    """The number of images per update that the rate is meant for: with twice as many it is doubled. None: the
    rate is taken as it is."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """For sgd and rmsprop."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of kernels; biases and norms are spared."""
    clip_norm: float = Field(0.0, ge=0)
    """Gradients are scaled down to this norm, taken over all weights; 0 for no limit."""
    schedule: ScheduleConfig = ScheduleConfig()
    """How the learning rate changes."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Momentum of an average of the weights that takes their place, e.g. 0.99; 0 for none."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""
    class_weight: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0)]] = "none"
    """`none`: all examples weigh alike. `balanced`: inversely to their class's frequency. {class: weight}:
    others weigh 1."""
    early_stopping: int = Field(6, ge=0)
    """Stop after this many epochs without improvement on val; 0 never stops early."""
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    """What early stopping, the plateau schedule and the choice of best weights look at: `val_loss` or
    `val_accuracy`."""

    @property
    def images_per_step(self) -> int:
        """The batch size to start with."""
        return AUTO_BATCH if self.batch_size == "auto" else self.batch_size

    def effective_rate(self, images_per_update: int) -> float:
        """Return the learning rate, in proportion to the images per update where the settings ask for it.

        Source: the linear scaling rule of Goyal et al. 2017 (arXiv 1706.02677).
        """
        if self.learning_rate_batch is None:
            return self.learning_rate
        return self.learning_rate * images_per_update / self.learning_rate_batch

    @field_validator("batch_size", mode="wrap")
    @classmethod
    def _number_or_auto(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise ValueError("expected a number of images from 1, or auto") from None

    @field_validator("class_weight", mode="wrap")
    @classmethod
    def _weights(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        """Say in one line what is expected, where pydantic would go through every branch of the union."""
        if isinstance(value, dict):
            # In YAML a class that is named 3 is a number.
            value = {str(name) if type(name) is int else name: weight for name, weight in value.items()}
        try:
            return check(value)
        except ValidationError:
            raise ValueError("expected none, balanced or {class: weight}, weights being 0 or more") from None


def _unfreeze_spec(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        raise ValueError("expected text such as last:0.3, or a list of expressions for layers") from None


UnfreezeSpec = Annotated[
    Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)],
    WrapValidator(_unfreeze_spec),
]
"""What of a backbone trains; see `FinetuneConfig.unfreeze`."""


class StageConfig(Section):
    """One stage of gradual unfreezing."""

    epochs: int = Field(ge=1)
    """At most this many epochs."""
    unfreeze: UnfreezeSpec
    """As `finetune.unfreeze`."""


class FinetuneConfig(PhaseConfig):
    """The second phase: part of the backbone and the head train on at a low rate, which rises for an epoch
    and then falls."""

    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    """Rate at the start (cosine: after warm-up; one_cycle: at the top). With `transfer: full` 1e-3, unless it
    is set."""
    schedule: ScheduleConfig = ScheduleConfig(kind="cosine", warmup_epochs=1)
    unfreeze: UnfreezeSpec = "last:0.3"
    """What trains: `all` (with `transfer: full`, unless it is set), `none` (only the head), `last:0.3` (share
    of the layers that have weights), `blocks:2`, `from:BLOCK_OR_LAYER`, a block or a layer, or a list of
    regular expressions for names of layers."""
    stages: tuple[StageConfig, ...] = ()
    """Gradual unfreezing instead of `epochs` and `unfreeze`, e.g. [{epochs: 2, unfreeze: none},
    {epochs: 5, unfreeze: "blocks:2"}]. Early stopping ends a stage; the next starts from the best weights.
    `cosine` and `one_cycle` go on over all of them, `plateau` begins anew in each."""
    batchnorm: Literal["frozen", "affine", "adapt"] = "frozen"
    """`frozen`: as it is. `affine`: train gamma and beta of what is unfrozen. `adapt`: first take the moving
    statistics anew, of the training images (AdaBN). While training these stay fixed in any case."""
    layer_lr_decay: float = Field(1.0, gt=0, le=1)
    """Each block learns at this many times the rate of the one above it, the top block at this many times the
    head's."""
    layer_lr: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Block -> rate, e.g. {stem: 1e-4, head: 1e-2}; others, the head too, learn at `learning_rate`."""
    l2_sp: float = Field(0.0, ge=0)
    """Decoupled decay of the backbone's weights towards what they were before the phase (L2-SP)."""

    @model_validator(mode="after")
    def _one_table_of_rates(self) -> FinetuneConfig:
        if self.layer_lr and self.layer_lr_decay != 1:
            raise ValueError("layer_lr and layer_lr_decay both set the rates of layers; choose one of them")
        return self

    @property
    def all_stages(self) -> tuple[StageConfig, ...]:
        """The stages; a single one where none are given."""
        return self.stages or (StageConfig(epochs=self.epochs, unfreeze=self.unfreeze),)


FULL_DEFAULTS = {"unfreeze": "all", "learning_rate": 1e-3}
"""Of `finetune` with `transfer: full`, which begins with a head that has learned nothing."""


class RuntimeConfig(Section):
    """The machine and reproducibility."""

    seed: int = Field(0, ge=0, lt=2**31)
    """Decides splits, initial weights, order, augmentation and dropout."""
    strategy: Literal["auto", "none", "mirrored", "multi_worker"] = "auto"
    """`none`: on one device. `mirrored`: over the GPUs of this machine, or its logical CPUs where there are
    none. `multi_worker`: over the processes of TF_CONFIG. `auto`: by what there is, TF_CONFIG or GPUs."""
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    """Of computing: `float32`, `mixed_float16` or `mixed_bfloat16`. `auto`: mixed on GPUs that gain from it,
    else float32."""
    checkpoint_minutes: float = Field(1.0, gt=0)
    """Training can go on from its last checkpoint: one per epoch, and one per so many minutes."""
    feature_dtype: Literal["float32", "float16"] = "float32"
    """Of stored features: `float32`, or `float16`, which needs half the space and rounds to 11 bits."""
    store_gb: float = Field(20.0, ge=0)
    """Stored features may take this much of the disk, GiB; the least recently used ones make room."""
    tensorboard: bool = False
    """Write TensorBoard logs into the run's phase folder."""


class Config(Section):
    """All settings of a run."""

    # What was asked for, in files, on the command line or as arguments, such as `train.epochs`; not what has
    # its default, nor what was chosen later. It stays as it is when settings are changed by `model_copy`.
    asked: frozenset[str] = Field(frozenset(), exclude=True)

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    transfer: Literal["frozen", "full", "scratch"] = "frozen"
    """What `tlk fit` trains: `frozen`, the head on a frozen backbone, by `train`; `full`, head and backbone
    at once from pretrained weights, by `finetune`; `scratch`, all of it from random weights, by `train`."""
    head: HeadConfig | None = None
    """None, or `auto`: chosen by cross-validation on stored features, together with what is not set of
    train.learning_rate, weight_decay, schedule, batch_size, epochs and early_stopping."""
    features: bool = True
    """Compute what the frozen part of the network makes of each image once, and train on that.
    False, or `off`: whole images in every epoch."""
    augment: AugmentConfig = AugmentConfig()
    train: PhaseConfig = PhaseConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    baseline: Literal["none", "scratch"] = "none"
    """`none`, or `scratch`: `tlk fit` also trains the same network from random weights, for as long, and
    compares."""

    @field_validator("head", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "auto":
            raise ValueError("expected auto, or settings such as head.hidden")
        return None if value == "auto" else value

    @property
    def stores_features(self) -> bool:
        """Whether phases may train on stored features; MixUp and CutMix need whole images in every epoch."""
        return self.features and not self.augment.mixes_images

    @model_validator(mode="after")
    def _remember_asked(self) -> Config:
        if "asked" not in self.model_fields_set:
            object.__setattr__(self, "asked", frozenset(_passed(self)))
        return self

    def asks_for(self, path: str) -> bool:
        """Return whether a setting was asked for, or one below it."""
        return any(f"{asked}.".startswith(f"{path}.") for asked in self.asked)

    def open_settings(self, section: str) -> list[str]:
        """Return the names in a section that nobody has chosen: not asked for, and as by default."""
        ours = getattr(self, section)
        usual = type(ours)()
        names = type(ours).setting_names()
        return [
            n for n in names if not self.asks_for(f"{section}.{n}") and getattr(ours, n) == getattr(usual, n)
        ]

    def __eq__(self, other: object) -> bool:
        """Return whether all settings are equal, asked for or not."""
        return isinstance(other, Config) and self.model_dump() == other.model_dump()

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.data.task == "multilabel":
            self._require_no_balance()
        self._require_one_balance()
        if self.baseline == "scratch" and self.transfer != "frozen":
            raise ValueError("baseline: scratch compares with transfer: frozen, not with the others")
        if self.baseline == "scratch" and self.model.weights == "none":
            raise ValueError("baseline: scratch compares with pretrained weights, and model.weights is none")
        return self

    def _require_no_balance(self) -> None:
        weights = (self.train.class_weight, self.finetune.class_weight)
        if any(weight != "none" for weight in weights) or self.data.sampling == "balanced":
            raise ValueError("class_weight and sampling: balanced are for task: multiclass, not multilabel")

    def _require_one_balance(self) -> None:
        for name, phase in (("train", self.train), ("finetune", self.finetune)):
            if phase.class_weight == "balanced" and self.data.sampling == "balanced":
                raise ValueError(
                    f"{name}.class_weight: balanced would balance what data.sampling: balanced has balanced; "
                    "choose one of them"
                )

    def to_yaml(self) -> str:
        """Return all settings, defaults included, as YAML that `load_config` reads back."""
        asked = write_yaml({"asked": sorted(self.asked)})
        return f"{write_yaml(self.model_dump(mode='json'))}{ABOUT_ASKED}{asked}"


ABOUT_ASKED = (
    "# The settings that were asked for. Without this list, all that are in this file count as asked for.\n"
)


def _passed(section: Section) -> set[str]:
    """Return the paths of the settings that were passed to a section and to those below it."""
    paths: set[str] = set()
    for name in section.model_fields_set:
        below = getattr(section, name)
        inner = _passed(below) if isinstance(below, Section) else ()
        paths |= {f"{name}.{path}" for path in inner} or {name}
    return paths


def pretraining_defaults() -> Config:
    """Return the settings that `tlk pretrain` starts from: all weights are random, and all of them train."""
    return Config(
        asked=frozenset(),
        model=ModelConfig(backbone="Tiny", weights="none"),
        head=HeadConfig(dropout=0.0),
        augment=AugmentConfig(translation=0.1),
        train=PhaseConfig(
            epochs=30,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=5e-3,
            schedule=ScheduleConfig(kind="cosine", warmup_epochs=2),
            label_smoothing=0.1,
            early_stopping=0,
        ),
    )

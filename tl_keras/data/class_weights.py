"""How much the classes weigh in the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tl_keras.config.schema import Config, PhaseConfig
from tl_keras.core.wording import did_you_mean, listed
from tl_keras.data.loaders import Loader
from tl_keras.errors import ConfigError


def class_weights(loader: Loader, phase: PhaseConfig) -> list[float] | None:
    """Return a weight per class, as the settings say; None where all weigh the same."""
    if isinstance(phase.class_weight, dict):
        return [phase.class_weight.get(name, 1.0) for name in loader.classes]
    return balancing_weights(loader) if phase.class_weight == "balanced" else None


def balancing_weights(loader: Loader) -> list[float]:
    """Return a weight per class such that every class counts the same and the mean weight of images is 1."""
    counts = Counter(example.label for example in loader.examples)
    return [len(loader) / (len(loader.classes) * counts[name]) for name in loader.classes]


def require_known_classes(config: Config, classes: Sequence[str]) -> None:
    """Refuse weights of classes that there are not, and weights that leave nothing to learn.

    Raises:
        ConfigError: `class_weight` of a phase has such.
    """
    for section, phase in (("train", config.train), ("finetune", config.finetune)):
        weights = phase.class_weight
        if not isinstance(weights, dict):
            continue
        unknown = [name for name in weights if name not in classes]
        if unknown:
            raise ConfigError(
                f"{section}.class_weight: there is no class {unknown[0]!r}."
                f"{did_you_mean(unknown[0], classes)} The classes are: {listed(classes)}."
            )
        if not any(weights.get(name, 1.0) for name in classes):
            raise ConfigError(f"{section}.class_weight: every class weighs 0, so nothing can be learned.")

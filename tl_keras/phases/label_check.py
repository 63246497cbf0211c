"""Labels that are probably wrong, by the features of a pretrained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from tl_keras.config.schema import Config
from tl_keras.core.console import say, warn
from tl_keras.core.geometry import Geometry
from tl_keras.data.example import Example
from tl_keras.data.findings import Finding
from tl_keras.features.cached_backbone import cached_trunk
from tl_keras.inspection import finding_kinds as kinds
from tl_keras.inspection.labels import suspicious_labels
from tl_keras.models.classifier import build_trunk
from tl_keras.models.source_model import with_source


def wrong_labels(examples: Sequence[Example], classes: Sequence[str], config: Config) -> Iterator[Finding]:
    """Yield the images whose labels are probably wrong, the surest first.

    Args:
        examples: Checked and grouped; those with a problem are left out.
        classes: All class names.
        config: For the backbone, as `fit` will use it.

    Raises:
        TlkError: The backbone or its weights are not to be had.
    """
    used = [example for example in examples if example.is_used]
    if len(used) < 2:
        return
    config = with_source(config)
    keras.utils.set_random_seed(config.runtime.seed)
    trunk = build_trunk(config.model, config.data.image_size)
    if config.model.weights == "none":
        warn("the network has random weights: what it says about labels is worth little.")
    _, height, width, _ = trunk.input_shape
    geometry = Geometry(height, width, config.data.resize, config.data.crop_fraction)
    say(f"checking labels by the features of {config.model.backbone}")
    frozen = cached_trunk(trunk, config, geometry)
    frozen.compute(used)
    loader = frozen.loader(used, classes, "multiclass")
    rows = np.arange(len(used))
    suspicions, _ = suspicious_labels(
        loader.load(rows).astype(np.float32, copy=False),
        loader.targets(rows).argmax(axis=1),
        config.runtime.seed,
        [example.split_unit for example in used],
    )
    for suspicion in suspicions:
        example, better = used[suspicion.index], classes[suspicion.suggested]
        yield Finding(
            kinds.WRONG_LABEL,
            example.path,
            f"looks like {better}",
            example.label,
            example.split,
            suggestion=better,
            score=suspicion.score,
        )

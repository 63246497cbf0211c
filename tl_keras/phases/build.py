"""What the verbs that make a new run share: its settings and name, its model, its files."""

from __future__ import annotations

from typing import Any

from tl_keras.config.schema import Config, HeadConfig
from tl_keras.core.console import say, warn
from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.distributed.devices import DevicePlan
from tl_keras.models.backbones import find
from tl_keras.models.classifier import build_classifier


def build(
    config: Config, labels: tuple[str, ...], device: DevicePlan, phase: str, *, frozen: bool
) -> tuple[Any, ModelInfo]:
    """Return an untrained classifier and its description.

    Args:
        config: All settings.
        labels: Class names in the order of the outputs.
        device: What it will be trained on.
        phase: The phase that will train it.
        frozen: Whether only its head will train.
    """
    with device.strategy.scope():
        classifier = build_classifier(
            config.model,
            config.head or HeadConfig(),
            image_size=config.data.image_size,
            classes=len(labels),
            task=config.data.task,
            frozen=frozen,
        )
    return classifier, describe(classifier, config, labels, phase)


def describe(network: Any, config: Config, labels: tuple[str, ...], phase: str) -> ModelInfo:
    """Return the description of a classifier that has the input of `network`."""
    _, height, width, _ = network.input_shape
    geometry = Geometry(height, width, config.data.resize, config.data.crop_fraction)
    return ModelInfo(labels, geometry, config.data.task, phase)


def say_plan(config: Config, device: DevicePlan) -> None:
    backbone, weights = config.model.backbone, config.model.weights
    source = find(backbone).source
    say(f"{backbone}, {f'pretrained on {source}' if weights == 'pretrained' else f'weights: {weights}'}")
    say(f"on {device.description}")
    say(device.describe_phase(config.finetune if config.transfer == "full" else config.train))
    if weights == "none" and config.transfer != "scratch":
        warn("the backbone has random weights: its features are random, and nothing is transferred.")

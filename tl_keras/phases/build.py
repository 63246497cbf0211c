"""An untrained classifier, and what is said about it before it trains."""

from __future__ import annotations

from typing import Any

from tl_keras.config.schema import Config, HeadConfig
from tl_keras.core.console import say, warn
from tl_keras.distributed.devices import DevicePlan
from tl_keras.models.backbones import find
from tl_keras.models.classifier import build_classifier


def build(config: Config, classes: int, device: DevicePlan, *, frozen: bool) -> Any:
    """Return an untrained classifier of so many classes, on what it will be trained on.

    Args:
        config: All settings; a head that they leave open is linear.
        classes: How many.
        device: What it will be trained on.
        frozen: Whether only its head will train.
    """
    with device.strategy.scope():
        return build_classifier(
            config.model,
            config.head or HeadConfig(),
            image_size=config.data.image_size,
            classes=classes,
            task=config.data.task,
            frozen=frozen,
        )


def say_plan(config: Config, device: DevicePlan) -> None:
    """Say what the first phase trains, on what."""
    backbone, weights = config.model.backbone, config.model.weights
    source = find(backbone).source
    say(f"{backbone}, {f'pretrained on {source}' if weights == 'pretrained' else f'weights: {weights}'}")
    say(f"on {device.description}")
    say(device.describe_phase(config.finetune if config.transfer == "full" else config.train))
    if weights == "none" and config.transfer != "scratch":
        warn("the backbone has random weights: its features are random, and nothing is transferred.")

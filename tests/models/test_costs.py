"""Multiply-adds, against figures that are known."""

import keras
import pytest

from tl_keras.models.backbone import build_base
from tl_keras.models.backbones import find
from tl_keras.models.costs import block_costs, multiply_adds


@pytest.mark.parametrize(
    ("name", "millions"),
    # Sandler et al. 2018, table 4; He et al. 2015, table 1, whose 3.8 billion include the classifier;
    # Liu et al. 2022, table 1 (4.5 billion).
    [("MobileNetV2", 300), ("ResNet50", 3860), ("ConvNeXtTiny", 4460)],
)
def test_what_is_published_of_networks(name: str, millions: float) -> None:
    backbone = find(name)
    with keras.StatelessScope(initialize_variables=False):
        base = build_base(backbone, {}, 224, "none")
    costs = block_costs(base, backbone)
    assert sum(cost.multiply_adds for cost in costs) / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.Conv2D(8, 3, strides=2, padding="same"), 3 * 3 * 4 * 8 * 25),
        (keras.layers.Conv2D(8, 3, padding="same", groups=2), 3 * 3 * 2 * 8 * 100),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), 3 * 3 * 4 * 2 * 64),
        (keras.layers.SeparableConv2D(8, 3, padding="same"), (3 * 3 * 4 + 4 * 8) * 100),
        (keras.layers.Dense(8), 4 * 8 * 100),
        (keras.layers.BatchNormalization(), 0),
        (keras.layers.ReLU(), 0),
    ],
)
def test_layers(layer: keras.layers.Layer, expected: int) -> None:
    layer(keras.Input((10, 10, 4)))
    assert multiply_adds(layer) == expected

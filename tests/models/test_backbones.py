"""The table of backbones, and that every network in it is what the table says."""

import inspect
import subprocess
import sys
from collections.abc import Iterator

import keras
import pytest
import tensorflow as tf

from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import BACKBONES, Backbone, find
from tl_keras.models.blocks import blocks_of
from tl_keras.models.classifier import backbone_of, build_classifier
from tl_keras.models.costs import block_costs
from tl_keras.models.layer_rates import layer_rates
from tl_keras.models.tiny import tiny
from tl_keras.models.unfreezing import unfreeze


def test_names_are_found_in_any_case() -> None:
    assert find("mobilenetv2") is BACKBONES["MobileNetV2"]
    assert find(" RESNET50 ") is BACKBONES["ResNet50"]


def test_an_unknown_name_gets_the_nearest_and_the_command_that_lists_them() -> None:
    with pytest.raises(ConfigError, match=r"(?s)'ResNet51'.* Did you mean 'ResNet\d+'\?.*tlk backbones"):
        find("ResNet51")


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        BACKBONES["Other"] = BACKBONES["VGG16"]  # type: ignore[index]


def test_the_table_loads_without_tensorflow() -> None:
    code = "import sys, tl_keras.models.backbones; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda backbone: backbone.name)
def test_options_are_arguments_of_the_constructor(backbone: Backbone) -> None:
    constructor = getattr(keras.applications, backbone.name) if backbone.module else tiny
    assert set(backbone.options) <= set(inspect.signature(constructor).parameters)


Built = tuple[Backbone, keras.Model]


QUICK = {"InceptionV3", "MobileNetV2", "ResNet50", "Tiny"}
NETWORKS = [pytest.param(b, marks=[] if b.name in QUICK else pytest.mark.slow) for b in BACKBONES.values()]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda backbone: backbone.name)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    """Every network at its smallest size; its weights are declared but never made, which saves a minute."""
    backbone: Backbone = request.param
    model = ModelConfig(backbone=backbone.name, weights="none")
    with keras.StatelessScope(initialize_variables=False):
        classifier = build_classifier(
            model, HeadConfig(), image_size=backbone.min_size, classes=3, task="multiclass"
        )
    yield backbone, classifier
    keras.backend.clear_session()


def test_the_network_has_the_declared_width_and_parameters(built: Built) -> None:
    backbone, classifier = built
    base = backbone_of(classifier)
    assert base.output.shape[-1] == backbone.features
    assert base.count_params() == backbone.parameters


def test_the_network_scales_pixels_itself_exactly_where_the_table_leaves_that_to_it(built: Built) -> None:
    backbone, classifier = built
    scaling = keras.layers.Rescaling | keras.layers.Normalization
    inside = any(isinstance(layer, scaling) for layer in backbone_of(classifier).layers)
    outside = any(isinstance(layer, scaling) for layer in classifier.layers)
    assert inside == (backbone.preprocessing == "none")
    assert outside == (not inside)


def test_the_listed_blocks_are_those_it_has(built: Built) -> None:
    backbone, classifier = built
    listed = [name for part in backbone.blocks.listed.split() for name in spelled_out(part)]
    assert [block.name for block in blocks_of(backbone_of(classifier), backbone)] == listed


def spelled_out(part: str) -> list[str]:
    """Return all names that `block1..block5` stands for."""
    first, dots, last = part.partition("..")
    if not dots:
        return [first]
    stem = first.rstrip("0123456789")
    return [f"{stem}{number}" for number in range(int(first[len(stem) :]), int(last[len(stem) :]) + 1)]


def test_every_layer_is_in_exactly_one_block(built: Built) -> None:
    backbone, classifier = built
    base = backbone_of(classifier)
    blocks = blocks_of(base, backbone)
    in_blocks = [layer for block in blocks for layer in block.layers]
    assert sorted(in_blocks) == sorted(layer.name for layer in base.layers)
    assert len({block.name for block in blocks}) == len(blocks) >= 4
    assert all(any(base.get_layer(name).weights for name in block.layers) for block in blocks)


def test_the_last_block_unfreezes_with_batchnorm_frozen(built: Built) -> None:
    backbone, classifier = built
    base = backbone_of(classifier)
    last = blocks_of(base, backbone)[-1]
    unfrozen = unfreeze(classifier, backbone, f"from:{last.name}", affine=True)
    assert unfrozen.blocks == (last.name,)
    assert 0 < unfrozen.parameters < backbone.parameters
    everything = unfreeze(classifier, backbone, "all")
    assert everything.parameters > unfrozen.parameters
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert not any(norm.trainable or norm.trainable_weights for norm in norms)


def test_no_layer_of_the_network_drops_anything(built: Built) -> None:
    for layer in backbone_of(built[1]).layers:
        assert getattr(layer, "rate", 0.0) == getattr(layer, "drop_path_rate", 0.0) == 0.0


@pytest.mark.parametrize("affine", [False, True])
def test_batchnorm_that_is_called_in_training_changes_no_statistics(built: Built, affine: bool) -> None:
    backbone, classifier = built
    unfreeze(classifier, backbone, "all", affine=affine)
    assert not assigned_in_training(classifier)
    trained = [weight.path for weight in classifier.trainable_variables]
    assert not [path for path in trained if "moving" in path]


def test_where_batchnorm_is_left_to_train_the_change_would_be_seen() -> None:
    classifier = build_classifier(
        ModelConfig(backbone="Tiny", weights="none"),
        HeadConfig(),
        image_size=32,
        classes=3,
        task="multiclass",
    )
    backbone_of(classifier).trainable = True
    assert len(assigned_in_training(classifier)) == 12


def assigned_in_training(classifier: keras.Model) -> list[str]:
    """Return the weights that layers of moving statistics write to when they are called in training.

    Each is called by itself, which is much faster than calling the network.
    """
    owners = [layer for layer in backbone_of(classifier).layers if hasattr(layer, "moving_mean")]
    moving = [weight for weight in classifier.weights if "moving" in weight.path]
    assert len(moving) == 2 * len(owners)
    values = {weight.path: tf.zeros(weight.shape) for layer in owners for weight in layer.weights}
    pairs = [(weight, values[weight.path]) for layer in owners for weight in layer.weights]
    with keras.StatelessScope(pairs, initialize_variables=False) as scope:
        for layer in owners:
            layer(tf.ones((1, 1, 1, *layer.moving_mean.shape)), training=True)
    return [weight.path for weight, value in pairs if scope.get_current_value(weight) is not value]


def test_every_weight_that_may_train_has_a_rate_by_its_own_path(built: Built) -> None:
    backbone, classifier = built
    paths = [weight.path for weight in classifier.weights]
    assert len(set(paths)) == len(paths)
    unfreeze(classifier, backbone, "all", affine=True)
    rates = layer_rates(classifier, backbone, learning_rate=1.0, decay=0.5)
    assert set(rates.factors) == {weight.path for weight in classifier.trainable_variables}
    assert list(rates.blocks.values()) == [0.5**n for n in reversed(range(len(rates.blocks)))]


def test_the_blocks_cost_what_the_network_costs(built: Built) -> None:
    backbone, classifier = built
    costs = block_costs(backbone_of(classifier), backbone)
    assert sum(cost.parameters for cost in costs) == backbone.parameters
    assert sum(cost.multiply_adds > 0 for cost in costs) >= len(costs) - 1  # `post` is a norm alone

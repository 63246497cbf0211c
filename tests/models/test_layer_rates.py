"""Learning rates by block, and the picture of them in words."""

from pathlib import Path

import keras
import pytest

from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import find
from tl_keras.models.classifier import build_classifier
from tl_keras.models.freeze_boundary import split_at_freeze_boundary
from tl_keras.models.layer_rates import describe_training, layer_rates
from tl_keras.models.unfreezing import unfreeze

TINY = find("Tiny")


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    model = ModelConfig(backbone="Tiny", weights="none")
    return build_classifier(model, HeadConfig(hidden=(8,)), image_size=32, classes=2, task="multiclass")


def test_without_decay_and_table_all_learn_alike(tiny: keras.Model) -> None:
    rates = layer_rates(tiny, TINY, learning_rate=0.01)
    assert dict(rates.blocks) == dict.fromkeys(("stem", "block1", "block2", "block3", "head"), 1.0)
    assert set(rates.factors.values()) == {1.0}


def test_decay_goes_down_block_by_block_from_the_head(tiny: keras.Model) -> None:
    rates = layer_rates(tiny, TINY, learning_rate=0.01, decay=0.5)
    by_weight = {
        "stem_conv/kernel": 0.0625,
        "block1_conv2_bn/gamma": 0.125,
        "block3_conv1/kernel": 0.5,
        "hidden_1/kernel": 1.0,
        "probabilities/bias": 1.0,
    }
    assert {path: rates.factors[path] for path in by_weight} == by_weight
    assert not [path for path in rates.factors if "moving" in path]


def test_a_table_gives_rates_themselves(tiny: keras.Model) -> None:
    rates = layer_rates(tiny, TINY, learning_rate=1e-3, table={"stem": 1e-5, "head": 1e-2})
    found = {name: factor * 1e-3 for name, factor in rates.blocks.items()}
    assert found == pytest.approx(
        {"stem": 1e-5, "block1": 1e-3, "block2": 1e-3, "block3": 1e-3, "head": 1e-2}
    )


def test_an_unknown_block_is_refused(tiny: keras.Model) -> None:
    message = r"'blok2', which is no block of Tiny. Did you mean 'block2'\?\n.*stem, block1, .*head"
    with pytest.raises(ConfigError, match=message):
        layer_rates(tiny, TINY, learning_rate=1e-3, table={"blok2": 1e-5})


def test_paths_are_those_of_the_upper_part_and_of_the_loaded_model(tiny: keras.Model, tmp_path: Path) -> None:
    rates = layer_rates(tiny, TINY, learning_rate=1.0, decay=0.5)
    unfreeze(tiny, TINY, "block3", affine=True)
    cut = split_at_freeze_boundary(tiny)
    assert cut is not None and cut.trainable.trainable_variables
    assert {weight.path for weight in cut.trainable.trainable_variables} < set(rates.factors)
    tiny.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert layer_rates(loaded, TINY, learning_rate=1.0, decay=0.5) == rates
    unfreeze(loaded, TINY, "all", affine=True)
    assert {weight.path for weight in loaded.trainable_variables} == set(rates.factors)


def test_the_picture(tiny: keras.Model) -> None:
    rates = layer_rates(tiny, TINY, learning_rate=1e-3, decay=0.7)
    unfreeze(tiny, TINY, ["block2_conv2", "block3_.*"])
    assert describe_training(tiny, TINY, rates, 1e-3) == [
        "frozen   stem to block1   5 layers         51,512 weights",
        "trains   block2           1 of 2 layers   230,400 weights   rate 0.00049",
        "trains   block3           2 layers        532,224 weights   rate 0.0007",
        "trains   head             2 layers          2,714 weights   rate 0.001",
    ]
    unfreeze(tiny, TINY, "none")
    assert describe_training(tiny, TINY, rates, 1e-3) == [
        "frozen   stem to block3   13 layers   908,984 weights",
        "trains   head              2 layers     2,714 weights   rate 0.001",
    ]
    unfreeze(tiny, TINY, "from:block2", affine=True)
    lines = describe_training(tiny, TINY, layer_rates(tiny, TINY, learning_rate=1e-3), 1e-3)
    assert lines[1].split("   ")[:3] == ["trains", "block2 to block3", "8 layers"]

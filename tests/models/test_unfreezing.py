"""What `unfreeze` lets train, and that training it changes only that."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import enliven
from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import find
from tl_keras.models.blocks import blocks_of
from tl_keras.models.classifier import backbone_of, build_classifier
from tl_keras.models.unfreezing import resolve_unfreeze, set_trainable, unfreeze

MOBILENET = find("MobileNetV2")
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


def build(name: str, size: int, **options: float) -> keras.Model:
    model = ModelConfig(backbone=name, options=options, weights="none")
    return build_classifier(model, HeadConfig(), image_size=size, classes=2, task="multiclass")


@pytest.fixture(scope="module")
def mobilenet() -> keras.Model:
    keras.utils.set_random_seed(0)
    return enliven(build("MobileNetV2", 32, alpha=0.35), IMAGES)


def training_layers(classifier: keras.Model) -> list[str]:
    return [layer.name for layer in backbone_of(classifier).layers if layer.trainable_weights]


def test_all_trains_every_layer_but_batchnorm(mobilenet: keras.Model) -> None:
    unfrozen = unfreeze(mobilenet, MOBILENET, "all")
    base = backbone_of(mobilenet)
    assert unfrozen.first_layer == "Conv1"
    assert unfrozen.blocks == tuple(block.name for block in blocks_of(base, MOBILENET))
    assert unfrozen.layers == len(training_layers(mobilenet)) == 52
    assert not [name for name in training_layers(mobilenet) if "BN" in name or "bn" in name]


def test_from_a_block_trains_it_and_all_after_it() -> None:
    classifier = build("InceptionV3", 75)
    unfrozen = unfreeze(classifier, find("InceptionV3"), "from:mixed8")
    assert unfrozen.blocks == ("mixed8", "mixed9", "mixed10")
    below = keras.Model(backbone_of(classifier).input, backbone_of(classifier).get_layer("mixed7").output)
    assert not below.trainable_variables
    assert unfrozen.layers == len(training_layers(classifier)) == 94 - 70
    assert "mixed8 to mixed10 (24 layers" in unfrozen.describe()


def test_from_a_layer_trains_it_and_all_after_it(mobilenet: keras.Model) -> None:
    unfrozen = unfreeze(mobilenet, MOBILENET, "from:block_16_project")
    assert training_layers(mobilenet) == ["block_16_project", "Conv_1"]
    assert (unfrozen.first_layer, unfrozen.blocks) == ("block_16_project", ("block_16", "Conv_1"))
    assert unfrozen.parameters == sum(
        int(np.prod(weight.shape)) for weight in backbone_of(mobilenet).trainable_weights
    )


@pytest.mark.parametrize(("share", "layers"), [("1", 52), ("0.5", 26), ("0.3", 16), ("0.0001", 1)])
def test_a_share_counts_layers_that_can_train_from_the_end(
    mobilenet: keras.Model, share: str, layers: int
) -> None:
    everything = _all_training_layers(mobilenet)
    assert unfreeze(mobilenet, MOBILENET, f"last:{share}").layers == layers
    assert training_layers(mobilenet) == everything[-layers:]


def _all_training_layers(classifier: keras.Model) -> list[str]:
    unfreeze(classifier, MOBILENET, "all")
    return training_layers(classifier)


def test_unfreezing_less_freezes_the_rest_again(mobilenet: keras.Model) -> None:
    unfreeze(mobilenet, MOBILENET, "all", affine=True)
    unfreeze(mobilenet, MOBILENET, "from:Conv_1")
    assert training_layers(mobilenet) == ["Conv_1"]
    assert len(mobilenet.trainable_variables) == 3
    unfrozen = unfreeze(mobilenet, MOBILENET, "none")
    assert (unfrozen.layers, unfrozen.parameters, unfrozen.first_layer, unfrozen.blocks) == (0, 0, "", ())
    assert unfrozen.describe() == "nothing of the backbone, only the head trains"
    assert [weight.path for weight in mobilenet.trainable_variables] == [
        "probabilities/kernel",
        "probabilities/bias",
    ]


def test_growing_and_shrinking_leaves_no_trace(mobilenet: keras.Model) -> None:
    frozen_head = mobilenet.get_layer("probabilities")
    frozen_head.trainable = False
    stages = [
        ({"Conv_1"}, 3),
        ({"Conv_1", "Conv_1_bn"}, 5),
        ({"block_1_expand"}, 3),
        (set(), 2),
        ({"Conv1"}, 3),
    ]
    for layers, trained in stages:
        set_trainable(mobilenet, layers)
        assert set(training_layers(mobilenet)) == layers - {"Conv_1_bn"}
        assert len(mobilenet.trainable_variables) == trained
    assert frozen_head.trainable


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("blocks:1", ["Conv_1"]),
        ("blocks:2", ["block_16_expand", "block_16_depthwise", "block_16_project", "Conv_1"]),
        ("block_1", ["block_1_expand", "block_1_depthwise", "block_1_project"]),
        ("block_1_expand", ["block_1_expand"]),
        ("stem", ["Conv1"]),
        (["Conv.*"], ["Conv1", "Conv_1"]),
        (("Conv1", "block_1[56]_p.*"), ["Conv1", "block_15_project", "block_16_project"]),
        ("[Conv1, Conv_1.*]", ["Conv1", "Conv_1"]),
        ("['block_1[56]_p.*']", ["block_15_project", "block_16_project"]),
        ("none", []),
    ],
)
def test_what_each_form_means(mobilenet: keras.Model, where: str | list[str], names: list[str]) -> None:
    assert resolve_unfreeze(mobilenet, MOBILENET, where) == set(names)


def test_batchnorm_is_chosen_only_with_affine(mobilenet: keras.Model) -> None:
    assert resolve_unfreeze(mobilenet, MOBILENET, "Conv_1", affine=True) == {"Conv_1", "Conv_1_bn"}
    assert resolve_unfreeze(mobilenet, MOBILENET, ["Conv_1_bn"], affine=True) == {"Conv_1_bn"}


def test_blocks_are_counted_that_own_weights_which_may_train() -> None:
    classifier, backbone = build("ResNet50V2", 32), find("ResNet50V2")
    assert unfreeze(classifier, backbone, "blocks:1").blocks == ("conv5",)
    assert unfreeze(classifier, backbone, "blocks:1", affine=True).blocks == ("post",)


def test_a_model_that_was_saved_and_loaded_unfreezes_the_same(mobilenet: keras.Model, tmp_path: Path) -> None:
    unfreeze(mobilenet, MOBILENET, "from:block_15", affine=True)
    mobilenet.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for where, affine in (("from:block_16", False), ("last:0.5", True)):
        assert unfreeze(loaded, MOBILENET, where, affine=affine) == unfreeze(
            mobilenet, MOBILENET, where, affine=affine
        )
        assert len(loaded.trainable_variables) == len(mobilenet.trainable_variables)


@pytest.mark.parametrize(
    ("where", "affine"), [("from:block_16", False), ("from:block_16", True), ("all", True)]
)
def test_training_changes_what_was_unfrozen_and_never_the_moving_statistics(
    mobilenet: keras.Model, where: str, affine: bool
) -> None:
    base = backbone_of(mobilenet)
    unfreeze(mobilenet, MOBILENET, where, affine=affine)
    before = {weight.path: weight.numpy() for weight in base.weights}
    mobilenet.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    mobilenet.fit(IMAGES, np.arange(8) % 2, epochs=2, verbose=0)
    changed = {
        weight.path for weight in base.weights if not np.array_equal(weight.numpy(), before[weight.path])
    }
    expected = {"block_16_depthwise/kernel", "block_16_project/kernel", "Conv_1/kernel"}
    assert expected <= changed
    assert not [path for path in changed if "moving" in path]
    assert all(path.startswith(("block_16_", "Conv_1")) for path in changed) or where == "all"
    assert any(path.endswith("gamma") for path in changed) == affine


def test_batchnorm_normalises_by_its_moving_statistics_even_when_it_trains(mobilenet: keras.Model) -> None:
    unfreeze(mobilenet, MOBILENET, "all", affine=True)
    base = backbone_of(mobilenet)
    features = keras.random.uniform((4, 32, 32, 3), -1, 1, seed=0)
    np.testing.assert_array_equal(base(features, training=True), base(features, training=False))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", r"Expected `all`, `none`, `last:SHARE`.*`blocks:NUMBER`.*expressions.*; found ''"),
        ("last", r"found 'last'"),
        ("last:many", r"found 'last:many'"),
        ("last:0", r"above 0 and at most 1"),
        ("last:1.5", r"above 0 and at most 1"),
        ("last:nan", r"above 0 and at most 1"),
        ("from:", r"found 'from:'"),
        ("up_to:Conv_1", r"found 'up_to:Conv_1'"),
        (
            "from:blok_13",
            r"(?s)no block or layer 'blok_13'. Did you mean 'block_13'\?.*Blocks: stem, .*Conv_1",
        ),
        ("from:out_relu", r"Nothing in 'from:out_relu' of MobileNetV2"),
        ("from:Conv_1_bn", r"Nothing in"),
        ("blocks:", r"found 'blocks:'"),
        ("blocks:two", r"found 'blocks:two'"),
        ("blocks:0", r"must be 1 to 19: stem, .*Conv_1"),
        ("blocks:20", r"must be 1 to 19: stem, .*Conv_1"),
        ("blok_13", r"(?s)no block or layer 'blok_13'. Did you mean 'block_13'\?.*Expected `all`"),
        ("Conv_1_bn", r"Nothing in 'Conv_1_bn'"),
        ((), r"found \(\)"),
        ("[]", r"found \[\]"),
        ("[1, 2]", r"found \[1, 2\]"),
        ("[block_1[56]_.*]", r"is not a list such as .*\n.*needs quotes"),
        (["Conv_1", "block_(1"], r"'block_\(1' is not a regular expression: missing \)"),
        (["Conv_1", "Conv"], r"No layer's whole name matches 'Conv'. Did you mean 'Conv1'\?"),
        (["Conv_1", ".*_relu"], r"Nothing in '.\*_relu' of MobileNetV2"),
    ],
)
def test_what_cannot_be_unfrozen_is_refused(
    mobilenet: keras.Model, where: str | list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        unfreeze(mobilenet, MOBILENET, where)


def test_a_refusal_changes_nothing(mobilenet: keras.Model) -> None:
    unfreeze(mobilenet, MOBILENET, "from:Conv_1")
    with pytest.raises(ConfigError):
        unfreeze(mobilenet, MOBILENET, "from:nowhere")
    assert training_layers(mobilenet) == ["Conv_1"]


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.sampled_from(["from:{}", "blocks:{}", "[{}]"]).flatmap(lambda form: st.text().map(form.format)),
        st.floats().map("last:{}".format),
        st.lists(st.text()),
    )
)
def test_any_text_is_either_obeyed_or_refused(mobilenet: keras.Model, where: str | list[str]) -> None:
    try:
        assert unfreeze(mobilenet, MOBILENET, where).layers >= 1
    except ConfigError as error:
        assert len(str(error)) < 2000

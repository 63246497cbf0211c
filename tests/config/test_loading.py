"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_keras.config.loading import load_config, parse_assignments
from tl_keras.config.schema import Config
from tl_keras.errors import ConfigError


def test_later_sources_win(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("head: {dropout: 0.5, hidden: [8]}\ntrain: {epochs: 7}\n")
    config = load_config(file, {"head.dropout": 0.1})
    assert config.head.dropout == 0.1
    assert config.head.hidden == (8,)
    assert config.train.epochs == 7
    assert config.train.batch_size == Config().train.batch_size


def test_base_gives_what_is_not_named(tmp_path):
    base = load_config(overrides={"train.epochs": 9, "head.dropout": 0.4})
    file = tmp_path / "more.yaml"
    file.write_text("train: {batch_size: 5}\n")
    config = load_config(file, {"head.dropout": 0.0}, base)
    assert (config.train.epochs, config.train.batch_size, config.head.dropout) == (9, 5, 0.0)


def test_saved_settings_are_read_back_as_they_were(tmp_path):
    config = load_config(overrides={"model.options": {"alpha": 0.35}, "head.hidden": [256, 128]})
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert load_config(file) == config


def test_all_faults_are_reported_at_once_with_path_and_choices():
    wrong = {"head.dropot": 0.1, "finetune.epochs": 0, "data.resize": "stretch", "model": {"pooling": 3}}
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=wrong)
    text = str(caught.value)
    assert "head.dropot: no such setting. Did you mean 'dropout'?" in text
    assert "finetune.epochs" in text and "found 0" in text
    assert "data.resize" in text and "'squash', 'crop' or 'pad'" in text
    assert "model.pooling" in text


def test_an_unknown_section_names_the_sections():
    with pytest.raises(ConfigError, match="Known here: data, model, transfer, head"):
        load_config(overrides={"modell.backbone": "x"})


def test_an_empty_section_is_its_defaults(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("head:\ntrain: {epochs: 2}\n")
    assert load_config(file).head == Config().head


@pytest.mark.parametrize("rate", [float("inf"), float("nan"), -1])
def test_rates_are_finite_and_positive(rate):
    with pytest.raises(ConfigError, match=r"train\.learning_rate"):
        load_config(overrides={"train.learning_rate": rate})


def test_splits_must_add_up():
    with pytest.raises(ConfigError, match=r"must be 1, found 1\.2"):
        load_config(overrides={"data.split": {"train": 0.8, "val": 0.2, "test": 0.2}})


def test_balanced_weights_are_refused_for_multilabel():
    with pytest.raises(ConfigError, match="balanced are for task: multiclass"):
        load_config(overrides={"data.task": "multilabel", "train.class_weight": "balanced"})


@pytest.mark.parametrize("section", ["train", "finetune"])
@pytest.mark.parametrize(
    "wrong", ["equal", 3, None, ["ant"], {"ant": -1}, {"ant": "much"}, {"ant": float("inf")}]
)
def test_wrong_class_weights_are_one_line(section, wrong):
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={f"{section}.class_weight": wrong})
    expected = f"  {section}.class_weight: expected none, balanced or {{class: weight}}"
    assert len(str(caught.value).splitlines()) == 2 and expected in str(caught.value)


def test_weights_by_class_are_yaml_and_saved(tmp_path):
    config = load_config(overrides=parse_assignments(["train.class_weight={ant: 2, 3: 0.5}"]))
    assert config.train.class_weight == {"ant": 2.0, "3": 0.5}
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert load_config(file) == config


@pytest.mark.parametrize("section", ["train", "finetune"])
def test_classes_are_not_balanced_twice(section):
    twice = {f"{section}.class_weight": "balanced", "data.sampling": "balanced"}
    with pytest.raises(ConfigError, match=rf"{section}\.class_weight.*choose one"):
        load_config(overrides=twice)
    load_config(overrides={**twice, f"{section}.class_weight": {"ant": 2}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [1", "not valid YAML"),
        ("- 1\n- 2\n", "expected sections"),
        ("train: 3\n", "train"),
    ],
)
def test_files_that_are_no_settings(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_assignments_are_yaml_values():
    parsed = parse_assignments(["a.b=1e-3", "c=[256, 128]", "d=true", "e=from:conv5", "f="])
    assert parsed == {"a.b": 1e-3, "c": [256, 128], "d": True, "e": "from:conv5", "f": None}


@pytest.mark.parametrize("assignment", ["nothing", "=3", "a=[1"])
def test_assignments_that_are_none(assignment):
    with pytest.raises(ConfigError):
        parse_assignments([assignment])


@given(st.dictionaries(st.text(max_size=8), st.recursive(st.integers() | st.text(max_size=5) | st.none(),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)),
       max_size=4))  # fmt: skip
def test_whatever_is_given_is_settings_or_an_error_for_people(overrides):
    try:
        load_config(overrides=overrides)
    except ConfigError as error:
        assert str(error)


def test_splits_as_percentages_or_shares():
    for text in ("70/20/10", "0.7/0.2/0.1"):
        split = load_config(overrides={"data.split": text}).data.split
        assert (split.train, split.val, split.test) == pytest.approx((0.7, 0.2, 0.1))


def test_a_fold_of_no_folds():
    with pytest.raises(ConfigError, match="of how many"):
        load_config(overrides={"data.fold": 2})


def test_a_table_beside_the_config_is_the_one_that_is_meant(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {exclude: /elsewhere/exclude.csv}")
    assert load_config(tmp_path / "config.yaml").data.exclude == "/elsewhere/exclude.csv"
    (tmp_path / "exclude.csv").write_text("path")
    assert load_config(tmp_path / "config.yaml").data.exclude == str(tmp_path / "exclude.csv")

"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tl_keras.config.faults import keys_beside
from tl_keras.config.loading import load_config, parse_assignments
from tl_keras.config.schema import Config, DataConfig, Section
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


def run_that_excludes(folder: Path) -> Path:
    """Make what a run that left images out has on disk, as far as it is read here."""
    folder.mkdir(parents=True)
    config = Config(data=DataConfig(exclude=str(folder / "exclude.csv")))
    (folder / "config.yaml").write_text(config.to_yaml())
    for name in ("exclude.csv", "model.keras", "manifest.csv", "labels.txt"):
        (folder / name).touch()
    return folder


def test_a_run_that_was_moved_or_copied_has_its_own_table(tmp_path):
    run = run_that_excludes(tmp_path / "runs" / "a")
    copy, moved = tmp_path / "copy", tmp_path / "elsewhere" / "b"
    shutil.copytree(run, copy)
    assert load_config(run / "config.yaml").data.exclude == str(run / "exclude.csv")
    assert load_config(copy / "config.yaml").data.exclude == str(copy / "exclude.csv")
    moved.parent.mkdir()
    run.rename(moved)
    assert load_config(moved / "config.yaml").data.exclude == str(moved / "exclude.csv")


@pytest.mark.parametrize("named", ["lists/exclude.csv", "exclude.csv", "/lists/exclude.csv"])
@pytest.mark.parametrize("name", ["config.yaml", "mine.yaml"])
def test_settings_name_their_table_and_no_other_one(tmp_path, named, name):
    (tmp_path / name).write_text(f"data: {{exclude: {named}}}")
    (tmp_path / "exclude.csv").write_text("path")
    assert load_config(tmp_path / name).data.exclude == named


def test_a_copy_of_the_settings_of_a_run_means_the_table_of_that_run(tmp_path):
    run = run_that_excludes(tmp_path / "run")
    (tmp_path / "exclude.csv").write_text("path")
    shutil.copy(run / "config.yaml", tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml").data.exclude == str(run / "exclude.csv")


def test_another_table_named_in_the_settings_of_a_run_is_that(tmp_path):
    run = run_that_excludes(tmp_path / "run")
    (run / "config.yaml").write_text("data: {exclude: /lists/mine.csv}")
    assert load_config(run / "config.yaml").data.exclude == "/lists/mine.csv"


def test_a_typo_in_a_stage_is_told_with_what_is_known_there():
    stages = [{"epochs": 2, "unfreeze": "none", "epoch": 1}, {"epochs": 2, "unfreeze": "all", "lr": 1}]
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={"finetune.stages": stages, "finetune.schedule.knd": 1})
    text = str(caught.value)
    known = "Known here: epochs, unfreeze."
    assert f"finetune.stages.0.epoch: no such setting. Did you mean 'epochs'? {known}" in text
    assert f"finetune.stages.1.lr: no such setting. {known}" in text
    assert "finetune.schedule.knd: no such setting. Did you mean 'kind'? Known here: kind, factor" in text


class Leaf(Section):
    width: int = 0


class Nested(Section):
    by_name: dict[str, Leaf] | None = None
    either: int | Leaf | None = None
    deep: dict[str, tuple[Leaf | str, ...]] | None = None


@pytest.mark.parametrize(
    "tree",
    [
        {"by_name": {"width": {"wdth": 1}}},
        {"either": {"wdth": 1}},
        {"deep": {"a": [{"width": 1}, {"wdth": 1}]}},
    ],
)
def test_a_typo_at_any_depth_is_told_with_what_is_known_there(tree):
    with pytest.raises(ValidationError) as caught:
        Nested.model_validate(tree)
    located = [item["loc"] for item in caught.value.errors() if item["type"] == "extra_forbidden"]
    assert [keys_beside(location, Nested) for location in located] == [["width"]]


def test_what_was_called_imagenet_is_pretrained(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {backbone: MobileNetV2, weights: imagenet}")
    assert load_config(tmp_path / "config.yaml").model.weights == "pretrained"
    with pytest.raises(ConfigError, match=r"model\.weights: .*pretrained"):
        load_config(overrides={"model.weights": "imagenet"})


@pytest.mark.parametrize("wrong", [3, [], "", {"a": 1}, [3]])
def test_a_wrong_choice_of_layers_is_one_line(wrong):
    stages = [{"epochs": 2, "unfreeze": wrong}]
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={"finetune": {"unfreeze": wrong, "stages": stages}})
    _, first, second = str(caught.value).splitlines()
    assert first.startswith("  finetune.unfreeze: expected text such as last:0.3, or a list")
    assert second.startswith("  finetune.stages.0.unfreeze: expected text")


def test_a_part_of_a_section_leaves_the_rest_at_its_defaults():
    schedule = load_config(overrides={"finetune.schedule.factor": 0.5}).finetune.schedule
    assert (schedule.kind, schedule.warmup_epochs, schedule.factor) == ("cosine", 1, 0.5)


def test_the_second_phase_is_mild_by_default():
    phase = Config().finetune
    assert (phase.unfreeze, phase.learning_rate, phase.epochs) == ("last:0.3", 1e-4, 10)
    assert (phase.schedule.kind, phase.schedule.warmup_epochs) == ("cosine", 1)

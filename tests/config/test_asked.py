"""What was asked for, and what only has its default: kept with the settings, and in their file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config, HeadConfig, ModelConfig, PhaseConfig, pretraining_defaults
from tl_keras.errors import ConfigError
from tl_keras.runs.resolve_settings import resolve
from tl_keras.runs.resumable import requests_the_same
from tl_keras.runs.unfinished import REQUESTED
from tl_keras.training.heads.search import HeadSearch, Trial


def written(config: Config, file: Path) -> Path:
    file.write_text(config.to_yaml(), encoding="utf-8")
    return file


def test_files_and_overrides_are_asked_for(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("train: {schedule: {kind: step}}\nmodel: {options: {alpha: 0.35}}\nfeatures: off\n")
    config = load_config(file, {"train.epochs": 3, "data.split": "70/20/10", "model.options.depth": 2})
    assert config.asked == {
        "train.schedule.kind", "train.epochs", "model.options", "features",
        "data.split",
    }  # fmt: skip
    assert config.asks_for("train.schedule") and config.asks_for("train.epochs")
    assert not config.asks_for("train.learning_rate") and not config.asks_for("mod")


def test_the_base_keeps_what_it_was_asked_for():
    base = load_config(overrides={"head.dropout": 0.4, "train.epochs": 9})
    config = load_config(overrides={"finetune.unfreeze": "none"}, base=base)
    assert config.asked == {"head.dropout", "train.epochs", "finetune.unfreeze"}
    assert load_config(overrides={"head": "auto"}, base=base).asked == {"head", "train.epochs"}
    assert load_config(base=Config()).asked == set()


def test_in_python_it_is_what_was_passed():
    config = Config(train=PhaseConfig(epochs=3), head=HeadConfig(hidden=(8,)), features=False)
    assert config.asked == {"train.epochs", "head.hidden", "features"}
    assert Config(train=PhaseConfig()).asked == {"train"} and Config().asked == set()
    changed = config.model_copy(update={"model": ModelConfig(backbone="Tiny")})
    assert changed.asked == config.asked
    assert pretraining_defaults().asked == set()


def test_a_saved_file_tells_it(tmp_path):
    config = load_config(overrides={"train.epochs": 3, "model.backbone": "Tiny"})
    file = written(config, tmp_path / "config.yaml")
    assert yaml.safe_load(file.read_text())["asked"] == ["model.backbone", "train.epochs"]
    assert load_config(file).asked == config.asked
    assert load_config(written(Config(), file)).asked == set()
    more = load_config(written(config, file), {"head.dropout": 0.1})
    assert more.asked == {*config.asked, "head.dropout"}


def test_in_a_file_without_it_everything_is_asked_for(tmp_path):
    tree = yaml.safe_load(Config().to_yaml())
    tree.pop("asked", None)
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(tree))
    config = load_config(tmp_path / "old.yaml")
    assert {"train.learning_rate", "train.schedule.kind", "model.options", "transfer"} <= config.asked


@pytest.mark.parametrize("path", ["asked", "asked.train"])
def test_it_is_not_a_setting(path):
    with pytest.raises(ConfigError, match=r"asked is no setting"):
        load_config(overrides={path: ["train.epochs"]})
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={"modell": 1})
    assert "asked" not in str(caught.value)


def test_a_file_that_tells_nonsense_is_a_fault(tmp_path):
    (tmp_path / "odd.yaml").write_text("asked: 3\n")
    with pytest.raises(ConfigError, match="asked: "):
        load_config(tmp_path / "odd.yaml")


def test_it_is_nothing_that_settings_differ_in(tmp_path):
    asked, by_default = load_config(overrides={"train.epochs": Config().train.epochs}), Config()
    assert asked.asked != by_default.asked and asked == by_default
    assert asked != load_config(overrides={"train.epochs": 7})
    written(asked, tmp_path / REQUESTED)
    assert requests_the_same(tmp_path, by_default)


def test_a_resumed_choice_of_a_head_obeys_the_same_settings(tmp_path):
    first = load_config(overrides={"train.learning_rate": 0.02, "train.schedule.kind": "step"})
    resumed = load_config(written(first, tmp_path / REQUESTED))
    search = HeadSearch((Trial(0, 0.0, False, 0.5, 0.25),), 100, 3, 8)
    chosen = search.applied_to(resumed)
    assert chosen == search.applied_to(first)
    assert (chosen.train.learning_rate, chosen.train.schedule.kind) == (0.02, "step")
    assert (chosen.train.batch_size, chosen.train.epochs, chosen.train.weight_decay) == (8, 60, 0.25)


def test_all_in_one_step_trains_all_unless_something_else_is_asked_for(tmp_path):
    plain = resolve(load_config(overrides={"transfer": "full"}), None)
    assert (plain.finetune.unfreeze, plain.finetune.learning_rate) == ("all", 1e-3)
    assert resolve(load_config(written(plain, tmp_path / REQUESTED)), None) == plain
    asked = {"transfer": "full", "finetune.unfreeze": "last:0.3", "finetune.learning_rate": 1e-4}
    assert resolve(load_config(overrides=asked), None).finetune == Config().finetune
    assert resolve(Config(), None).finetune == Config().finetune

"""Every setting is described, with all that it may be."""

from __future__ import annotations

import pytest

from tl_keras.config.describe import SectionText, SettingText, choices, describe_settings
from tl_keras.config.loading import load_config, parse_assignments
from tl_keras.config.schema import Config, Section, StageConfig

SECTIONS = list(describe_settings())
SETTINGS = [setting for section in SECTIONS for setting in section.settings]


def annotation_of(path: str) -> object:
    *sections, name = path.split(".")
    kind: type[Section] = Config
    for section in sections:
        kind = StageConfig if section == "stages[]" else type(getattr(kind(), section) or load_head())
    return kind.model_fields[name].annotation


def load_head() -> Section:
    head = load_config(overrides={"head": {}}).head
    assert head is not None
    return head


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.path)
def test_every_section_has_a_meaning(section: SectionText) -> None:
    assert section.meaning.endswith(".") and section.settings


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
def test_every_setting_has_a_meaning_and_a_kind(setting: SettingText) -> None:
    assert setting.meaning[:-1] and setting.meaning.endswith(".")
    assert setting.kind


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
def test_every_word_that_a_setting_may_be_is_in_its_meaning(setting: SettingText) -> None:
    words = choices(annotation_of(setting.path))
    assert [word for word in words if f"`{word}`" not in setting.meaning] == []


def test_all_of_them_are_there_and_nothing_else():
    paths = {setting.path for setting in SETTINGS}
    saved = load_config(overrides=parse_assignments(["head={}", "finetune.stages=[]"]))
    assert paths - {"head", "finetune.stages[].epochs", "finetune.stages[].unfreeze"} == leaves(saved)
    assert [section.path for section in SECTIONS][:4] == ["", "data", "data.split", "model"]
    assert not any("asked" in path for path in paths)


def leaves(section: Section, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name in section.setting_names():
        value = getattr(section, name)
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, Section) else {f"{prefix}{name}"}
    return found


def test_defaults_are_yaml_that_means_the_default():
    for setting in SETTINGS:
        if setting.default and "[]." not in setting.path and setting.default != "null":
            config = load_config(overrides=parse_assignments([f"{setting.path}={setting.default}"]))
            if not setting.path.startswith("head."):
                assert config == Config(), setting


def test_kinds_in_words():
    kinds = {setting.path: setting.kind for setting in SETTINGS}
    assert kinds["data.split.train"] == "number > 0, < 1"
    assert kinds["train.batch_size"] == "integer ≥ 1 or `auto`"
    assert kinds["data.resize"] == "`squash`, `crop`, `pad`"
    assert kinds["head.hidden"] == "list of integer"
    assert kinds["finetune.layer_lr"] == "{text: number > 0}"
    assert kinds["data.image_size"] == "integer ≥ 8, ≤ 2048"

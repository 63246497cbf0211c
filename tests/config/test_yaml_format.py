"""YAML as settings are written in it: numbers are numbers at any depth, names stay as they are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_keras.config.loading import load_config, parse_assignments
from tl_keras.config.schema import Config, DataConfig, ModelConfig, PhaseConfig
from tl_keras.errors import ConfigError

NUMBERS = {
    "1e-3": 1e-3, "1E5": 1e5, ".5e2": 50.0, "-.5": -0.5, "+1e3": 1e3, "2.": 2.0, "3.5e+4": 35000.0,
    "0.1": 0.1, "7": 7, "-3": -3, "0": 0, ".inf": math.inf,
}  # fmt: skip
TEXTS = ["1e", "e3", "1e-3x", "0x10", "012", "12:30", "2024-01-05", ".", "1.2.3", "v1", "1_000"]


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_at_any_depth_in_assignments_and_files(text, tmp_path):
    parsed = parse_assignments([f"a={text}", f"b={{alpha: {text}}}", f"c=[[{text}], '{text}', \"{text}\"]"])
    number = NUMBERS[text]
    assert parsed == {"a": number, "b": {"alpha": number}, "c": [[number], text, text]}
    assert type(parsed["a"]) is type(number)
    (tmp_path / "file.yaml").write_text(f"model: {{options: {{alpha: {text}, deep: [{text}]}}}}\n")
    assert load_config(tmp_path / "file.yaml").model.options == {"alpha": number, "deep": [number]}


@pytest.mark.parametrize("text", TEXTS)
def test_what_only_looks_like_a_number_is_text(text):
    assert parse_assignments([f"a={text}"]) == {"a": text}


@pytest.mark.parametrize("name", ["3", "1e3", "1.10", "no", "true", "null", "012", "2024-01-05", "~"])
def test_names_of_classes_stay_as_they_are_written(name, tmp_path):
    (tmp_path / "file.yaml").write_text(f"train: {{class_weight: {{{name}: 2, ant: 1e-1}}}}\n")
    from_file = load_config(tmp_path / "file.yaml")
    from_line = load_config(overrides=parse_assignments([f"train.class_weight={{{name}: 2, ant: 1e-1}}"]))
    assert from_file.train.class_weight == from_line.train.class_weight == {name: 2.0, "ant": 0.1}


def test_keys_may_still_be_merged():
    assert parse_assignments(["a={x: &x {p: 1}, y: {<<: *x, q: 2}}"])["a"]["y"] == {"p": 1, "q": 2}


@pytest.mark.parametrize(
    "path",
    ["data.source", "data.exclude", "data.group_by", "data.tfds_dir", "model.weights", "model.backbone"],
)
@pytest.mark.parametrize("name", ["2024", "012", "2024-01-05", "-7", "12:30", "'1.10'", "'yes'"])
def test_a_folder_may_be_called_2024(path, name, tmp_path):
    section, key = path.split(".")
    (tmp_path / "file.yaml").write_text(f"{section}: {{{key}: {name}}}\n")
    for config in (
        load_config(tmp_path / "file.yaml"),
        load_config(overrides=parse_assignments([f"{path}={name}"])),
    ):
        assert getattr(getattr(config, section), key) == name.strip("'")


@pytest.mark.parametrize("name", ["1.10", "1e3", "yes", "true"])
def test_a_name_that_would_be_changed_is_to_be_quoted(name):
    with pytest.raises(ConfigError, match=r"data\.source: .*quote"):
        load_config(overrides=parse_assignments([f"data.source={name}"]))


def test_switches_are_read_as_ever():
    config = load_config(
        overrides=parse_assignments(["features=off", "runtime.tensorboard=yes", "head=auto"])
    )
    assert (config.features, config.runtime.tensorboard, config.head) == (False, True, None)


@pytest.mark.parametrize("text", ["9" * 5000, "{[1]: 2}", "[1", "!!python/name:os.system x", "a: b: c"])
def test_what_is_no_yaml_is_a_fault(text, tmp_path):
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse_assignments([f"a={text}"])
    (tmp_path / "bad.yaml").write_text(f"train: {text}")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(tmp_path / "bad.yaml")


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=6)
HARD = st.sampled_from([*NUMBERS, *TEXTS, "1.10", "no", "true", "null", "~", "<<", "="])


@given(NAMES | HARD, NAMES | HARD, NAMES | HARD)
def test_whatever_is_saved_is_read_back(tmp_path_factory, source, name, value):
    made = Config(
        data=DataConfig(source=source),
        model=ModelConfig(options={name: value, "rate": 1e-5, "deep": [3, True, None]}),
        train=PhaseConfig(class_weight={name: 1e-7}),
    )
    file = tmp_path_factory.mktemp("saved") / "config.yaml"
    file.write_text(made.to_yaml(), encoding="utf-8")
    assert load_config(file) == made

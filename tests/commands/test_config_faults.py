"""Settings as users write them: faults that are named, and values that mean what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.look import rows_of
from tests.images import class_folders
from tl_keras import load_config
from tl_keras.cli.options import Asked
from tl_keras.runs.resolve_settings import resolve


@pytest.mark.parametrize(
    ("stages", "path"),
    [
        ("[{epochs: 2, unfreeze: none, lr: 1}]", "finetune.stages.0.lr"),
        ("[{epochs: 2, unfreeze: none}, {epoch: 2, epochs: 3, unfreeze: all}]", "finetune.stages.1.epoch"),
    ],
)
def test_a_typo_in_a_stage_is_named_with_what_is_known_there(tlk, photos, tmp_path, stages, path):
    done = tlk(
        "fit", photos, "--backbone", "Tiny", "--set", f"finetune.stages={stages}", "--runs-dir", tmp_path
    )
    assert done.code in (1, 2)
    assert "This should not happen" not in done.err, done.err
    assert f"{path}: no such setting." in done.err
    assert "Known here: epochs, unfreeze." in done.err


def test_a_typo_in_a_stage_of_a_file_is_named(tlk, photos, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("finetune:\n  stages:\n    - {epochs: 2, unfreez: none}\n")
    done = tlk("fit", photos, "--config", file, "--runs-dir", tmp_path)
    assert done.code in (1, 2) and "finetune.stages.0.unfreez" in done.err, done.err
    assert "Did you mean 'unfreeze'?" in done.err


NETWORK = ("--backbone", "MobileNet", "--weights", "none", "--image-size", "32", "--epochs", "1",
           "--batch-size", "16", "--set", "head.dropout=0.2")  # fmt: skip


def options_of(run: Path) -> dict[str, object]:
    return dict(load_config(run / "config.yaml").model.options)


def test_numbers_with_an_exponent_are_numbers_inside_of_a_value():
    asked = Asked(assignments=("model.options={alpha: 25e-2}",))
    assert asked.config().model.options == {"alpha": 0.25}


def test_numbers_with_an_exponent_are_numbers_in_a_file(tlk, photos, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("model:\n  options: {alpha: 25e-2}\nfinetune:\n  layer_lr: {head: 1e-2}\n")
    done = tlk("fit", photos, *NETWORK, "--config", file, "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert options_of(tmp_path / "run") == {"alpha": 0.25}
    assert load_config(tmp_path / "run" / "config.yaml").finetune.layer_lr == {"head": 0.01}


def test_names_that_look_like_numbers_stay_names(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("data: {source: '1e3', group_by: '2e5'}\n")
    data = load_config(file).data
    assert (data.source, data.group_by) == ("1e3", "2e5")


def test_a_name_that_yaml_takes_for_a_number_is_to_be_quoted(tlk, tiny_options, tmp_path, monkeypatch):
    class_folders(tmp_path / "1e3", classes=2, per_class=8)
    monkeypatch.chdir(tmp_path)
    refused = tlk("fit", "--set", "data.source=1e3", *tiny_options, "--runs-dir", "runs")
    assert refused.code == 1 and "quote a name" in refused.err
    assert "1e3: 16 images in 2 classes" in tlk("inspect", "1e3").out
    source = Asked(assignments=("data.source='1e3'",)).config().data.source
    assert (
        source == "1e3" and "1e3: 16 images in 2 classes" in tlk("inspect", "--set", "data.source='1e3'").out
    )


@pytest.mark.parametrize("how", ["--set", "a file", "an argument"])
@pytest.mark.parametrize("name", ["2024"])
def test_a_folder_may_be_called_like_a_number(tlk, tiny_options, tmp_path, monkeypatch, how, name):
    class_folders(tmp_path / name, classes=2, per_class=8)
    (tmp_path / "settings.yaml").write_text(f"data: {{source: {name}}}\n")
    monkeypatch.chdir(tmp_path)
    given = {
        "--set": ("--set", f"data.source={name}"),
        "a file": ("--config", "settings.yaml"),
        "an argument": (name,),
    }[how]
    assert f"{name}: 16 images in 2 classes" in tlk("inspect", *given).out
    file = Path("settings.yaml") if how == "a file" else None
    asked = Asked(file, (f"data.source={name}",) if how == "--set" else ())
    config = resolve(asked.config(), name if how == "an argument" else None)
    assert config.data.source == str(tmp_path / name)
    if how == "an argument":
        done = tlk("fit", *given, *tiny_options, "--name", "run", "--runs-dir", "runs")
        assert done.code == 0, done.err
        assert load_config(tmp_path / "runs" / "run" / "config.yaml").data.source == str(tmp_path / name)


@pytest.fixture
def two_tables(tmp_path) -> Path:
    """A folder of images, and two tables of the same name that leave out one each."""
    data = class_folders(tmp_path / "data", classes=2, per_class=10)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "exclude.csv").write_text(f"path\n{data / 'red' / 'red_01.jpg'}\n")
    (tmp_path / "exclude.csv").write_text(f"path\n{data / 'red' / 'red_02.jpg'}\n")
    return data


def left_out(run: Path) -> list[str]:
    rows = rows_of(run / "manifest.csv")
    return [Path(row["path"]).name for row in rows if row["problem"]]


@pytest.mark.parametrize("name", ["settings.yaml", "config.yaml"])
def test_a_table_that_is_named_is_the_one_that_is_taken(
    tlk, tiny_options, two_tables, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("data: {exclude: lists/exclude.csv}\n")
    done = tlk("fit", two_tables, *tiny_options, "--config", name, "--name", "run", "--runs-dir", "runs")
    assert done.code == 0, done.err
    assert left_out(tmp_path / "runs" / "run") == ["red_01.jpg"]


def test_a_run_that_was_moved_has_its_own_table(tlk, tiny_options, two_tables, tmp_path):
    table = tmp_path / "lists" / "exclude.csv"
    fit = ("fit", two_tables, *tiny_options, "--exclude", table, "--runs-dir", tmp_path / "runs")
    assert tlk(*fit, "--name", "run").code == 0
    moved = Path(shutil.move(tmp_path / "runs" / "run", tmp_path / "elsewhere"))
    table.unlink()
    again = tlk("fit", "--config", moved / "config.yaml", "--name", "again", "--runs-dir", tmp_path / "runs")
    assert again.code == 0, again.err
    assert left_out(tmp_path / "runs" / "again") == ["red_01.jpg"]

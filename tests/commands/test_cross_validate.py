"""`tlk fit --cross-validate`: a run per fold, and their figures together."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import tl_keras
from tests.images import split_folders
from tl_keras.config.loading import load_config
from tl_keras.errors import ConfigError, RunError, TrainingError
from tl_keras.evaluation.metrics import wilson_interval
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.workflows import cross_validate as workflow


@dataclass(frozen=True)
class Made:
    """What `cross_validate` looks at of a fit, for tests that need none."""

    run: Path
    report: EvaluationRecord


@pytest.fixture(scope="module")
def crossed(photos, tiny, tmp_path_factory):
    """Two folds on `photos`."""
    return tl_keras.cross_validate(photos, tiny, folds=2, name="cv", runs_dir=tmp_path_factory.mktemp("runs"))


def told(run: Path) -> list[dict[str, str]]:
    with (run / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_fold_is_a_run_with_its_settings(crossed, tiny):
    assert [run.name for run in crossed.runs] == ["cv-1-of-2", "cv-2-of-2"]
    for number, run in enumerate(crossed.runs, 1):
        config = load_config(run / "config.yaml")
        assert (config.data.folds, config.data.fold) == (2, number)
        assert config.runtime.seed == tiny.runtime.seed
        assert (run / "model.keras").is_file()


def test_the_summary_is_what_the_runs_predictions_say(crossed):
    folds = [told(run) for run in crossed.runs]
    right = [[row["correct"] == "1" for row in fold] for fold in folds]
    accuracies, pooled = [np.mean(fold) for fold in right], [one for fold in right for one in fold]
    found = crossed.summary
    assert found.accuracy == pytest.approx(np.mean(accuracies))
    assert found.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert (found.images, found.pooled) == (len(pooled), pytest.approx(np.mean(pooled)))
    assert found.interval == wilson_interval(sum(pooled), len(pooled))
    assert found.macro_f1 == pytest.approx(np.mean([r.evaluation.macro.f1 for r in crossed.reports]))
    for score in found.recall:
        of_class = [row["correct"] == "1" for fold in folds for row in fold if row["label"] == score.name]
        assert (score.images, score.recall) == (len(of_class), pytest.approx(np.mean(of_class)))


def test_json_and_the_lines_of_the_folds(tlk, crossed, photos, tiny_options, monkeypatch):
    made = iter([Made(run, report) for run, report in zip(crossed.runs, crossed.reports, strict=True)])
    monkeypatch.setattr(workflow, "fit", lambda **_: next(made))
    where = ("--name", "cv", "--runs-dir", crossed.runs[0].parent, "--overwrite")
    done = tlk("fit", photos, *tiny_options, "--cross-validate", 2, *where, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [Path(fold["run"]) for fold in found["folds"]] == list(crossed.runs)
    assert found["summary"]["folds"] == 2 and len(found["summary"]["recall"]) == 3
    lines = [line for line in done.err.splitlines() if line.startswith("fold ")]
    assert lines == [f"fold {n} of 2: {report.headline()}" for n, report in enumerate(crossed.reports, 1)]


def test_the_table_has_a_row_per_fold_and_a_headline(crossed, capsys):
    from tl_keras.cli.output.evaluation import print_cross_validation

    print_cross_validation(crossed, as_json=False)
    printed = capsys.readouterr().out
    assert "cv-1-of-2" in printed and "cv-2-of-2" in printed and "pooled recall" in printed
    assert printed.rstrip().endswith(crossed.summary.headline())


def never(**_):
    raise AssertionError("nothing is to be trained")


def test_a_name_that_is_taken_is_refused_before_anything_is_trained(crossed, photos, tiny, monkeypatch):
    runs = crossed.runs[0].parent
    other = Path(shutil.copytree(crossed.runs[1], runs / "other-2-of-2")) / "config.yaml"
    other.write_text(other.read_text().replace("seed: 0", "seed: 3"))
    monkeypatch.setattr(workflow, "fit", never)
    with pytest.raises(RunError, match="other-2-of-2 exists already"):
        tl_keras.cross_validate(photos, tiny, folds=2, name="other", runs_dir=runs)
    assert not (runs / "other-1-of-2").exists()
    with pytest.raises(RunError, match="cannot be a run's name"):
        tl_keras.cross_validate(photos, tiny, folds=2, name="a/b", runs_dir=runs)


def test_names_that_were_made_up_get_a_number_and_overwriting_replaces(photos, tiny, monkeypatch, tmp_path):
    begun = []

    def stopped(**given):
        begun.append((given["name"], given["overwrite"]))
        raise TrainingError("stopped")

    monkeypatch.setattr(workflow, "fit", stopped)
    (tmp_path / "photos-tiny-2-of-2").mkdir()
    for options in ({}, {"name": "cv", "overwrite": True}):
        with pytest.raises(TrainingError, match="In fold 1 of 2: stopped"):
            tl_keras.cross_validate(photos, tiny, folds=2, runs_dir=tmp_path, **options)
    assert begun == [("photos-tiny-2-1-of-2", False), ("cv-1-of-2", True)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TrainingError("The loss became nan."), "In fold 2 of 2: The loss became nan."),
        (KeyboardInterrupt(), "Interrupted in fold 2 of 2"),
    ],
)
def test_folds_that_are_done_stay(crossed, photos, tiny, monkeypatch, tmp_path, error, expected):
    def second_fails(**given):
        if given["name"] == "cv-2-of-2":
            raise error
        run = tmp_path / given["name"]
        shutil.copytree(crossed.runs[0], run)
        return Made(run, crossed.reports[0])

    monkeypatch.setattr(workflow, "fit", second_fails)
    with pytest.raises(type(error)) as caught:
        tl_keras.cross_validate(photos, tiny, folds=2, name="cv", runs_dir=tmp_path)
    assert str(caught.value).startswith(expected)
    assert str(caught.value).endswith("The folds before it are done, and stay: cv-1-of-2.")
    assert (tmp_path / "cv-1-of-2" / "model.keras").is_file()


def test_splits_of_the_users_own_are_not_changed(tiny, tmp_path):
    data = split_folders(tmp_path / "data", {"train": 3, "test": 2})
    with pytest.raises(ConfigError, match="brings its own test split, which is never changed"):
        tl_keras.cross_validate(data, tiny, folds=2, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_wrong_numbers_of_folds(tlk, photos, tiny, tmp_path):
    with pytest.raises(ConfigError, match="at least 2 folds"):
        tl_keras.cross_validate(photos, tiny, folds=1, runs_dir=tmp_path)
    assert tlk("fit", photos, "--cross-validate", 1).code == 2
    both = tlk("fit", photos, "--cross-validate", 2, "--folds", 3)
    assert both.code == 2 and "--folds and --fold are for one of them" in both.err


def test_how_images_are_split_has_options(tlk, photos, monkeypatch):
    given = []

    def noted(_data, config, **_):
        given.append(config.data)
        raise ConfigError("enough")

    monkeypatch.setattr("tl_keras.workflows.fit.fit", noted)
    options = {"--split": "60/20/20", "--group-by": r"_(\d+)", "--limit-per-class": 9, "--exclude": "bad.csv",
               "--folds": 3, "--fold": 2}  # fmt: skip
    assert (
        tlk("fit", photos, *(part for option in options.items() for part in option)).err == "Error: enough\n"
    )
    data = given[0]
    assert (data.split.train, data.group_by, data.limit_per_class) == (0.6, r"_(\d+)", 9)
    assert (data.exclude, data.folds, data.fold) == ("bad.csv", 3, 2)

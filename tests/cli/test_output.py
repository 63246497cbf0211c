"""What is printed of a result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tl_keras
from tl_keras.cli.output.export import print_export
from tl_keras.cli.output.listings import print_runs
from tl_keras.cli.output.predictions import print_predictions
from tl_keras.cli.output.training import print_finetune, print_fit


def exported(same: float, quantize: str) -> tl_keras.ExportResult:
    return tl_keras.ExportResult(Path("m.tflite"), 1.0, 2.0, tl_keras.Agreement(100, same, 0.1), quantize)


@pytest.mark.parametrize(
    ("same", "quantize", "good"),
    [(1.0, "none", True), (0.995, "none", False), (0.99, "float16", True), (0.96, "int8", False)],
)
def test_an_export_says_whether_it_is_to_be_trusted(capsys, same, quantize, good):
    done = exported(same, quantize)
    assert done.trustworthy is good
    print_export(done, as_json=False)
    assert ("less than expected" in capsys.readouterr().err) is not good
    print_export(done, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == done.to_dict() and found["trustworthy"] is good and found["path"] == "m.tflite"


def test_a_prediction_as_json_is_one_line(capsys):
    answers = [
        tl_keras.Prediction("a.jpg", ("rose", "tulip"), (0.75, 0.25)),
        tl_keras.Prediction("b", error="no"),
    ]
    assert print_predictions(answers, "json") == 1
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["classes"][0] == {"label": "rose", "score": 0.75}
    assert json.loads(second) == {"path": "b", "error": "no"}


def evaluated(right: int, images: int) -> tl_keras.EvaluationRecord:
    from tl_keras.evaluation.metrics import wilson_interval

    mean = tl_keras.ClassScore("macro", 1, 1, 1, images)
    interval = wilson_interval(right, images)
    found = tl_keras.Evaluation(images, 0.1, right / images, interval, None, (), mean, mean, None)
    return tl_keras.EvaluationRecord("photos", "test", False, 0, "Tiny", "1-head", found)


@pytest.mark.parametrize(("right", "images", "few"), [(2, 4, True), (18, 20, True), (190, 200, False)])
def test_a_fit_tested_on_few_images_says_what_to_do(capsys, right, images, few):
    phase = tl_keras.PhaseResult(1, 1, 0.1, 0.9, 1.0)
    print_fit(tl_keras.FitResult(Path("a b"), evaluated(right, images), phase), as_json=False)
    out, err = capsys.readouterr()
    assert "next: tlk unfreeze-and-finetune 'a b'" in out
    assert ("--cross-validate 5" in err) is few


@pytest.mark.parametrize(
    ("kept", "following"),
    [(True, "tlk export runs/a --format tflite"), (False, "tlk export runs/a --format tflite")],
)
def test_a_fine_tuning_says_what_comes_next(capsys, kept, following):
    before, after = evaluated(180, 200), evaluated(190, 200)
    phase = tl_keras.PhaseResult(1, 1, 0.1, 0.9, 1.0)
    records = (before.evaluation, after.evaluation, before, after, phase)
    print_finetune(tl_keras.FinetuneResult(Path("runs/a"), kept, *records), as_json=False)
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"next: {following}"
    assert ("A lower --learning-rate may help" in out) is not kept


def test_a_run_that_cannot_be_resumed_says_why(capsys):
    run = tl_keras.RunSummary("a", "2026-01-01 00:00:00", phase="unfinished", problem="taken")
    print_runs([run], Path("runs"), as_json=False)
    out, err = capsys.readouterr()
    assert "taken" in out and err == ""


def test_shares_of_blocks_are_of_the_whole():
    blocks = (tl_keras.BlockCost("a", 1, 30, 10), tl_keras.BlockCost("b", 1, 70, 30))
    costs = tl_keras.BackboneCosts("Tiny", {}, 32, blocks)
    first, second = costs.to_dict()["blocks"]
    assert first["share"] == {"parameters": 0.3, "multiply_adds": 0.25}
    assert first["from_here_on"] == {"parameters": 1.0, "multiply_adds": 1.0}
    assert second["from_here_on"] == second["share"] and (costs.parameters, costs.multiply_adds) == (100, 40)

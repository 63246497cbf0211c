"""`tlk lr-find`: what it prints and writes, and that the run stays as it is."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tl_keras.report.lr_curve import drawable, save_lr_curve, text_curve
from tl_keras.runs.lock import locked
from tl_keras.training.lr_range import exponential_rates

SHORT = ("--steps", "12")


def contents(run: Path) -> dict[str, str]:
    files = (file for file in run.rglob("*") if file.is_file() and file.parent.name != "lr_find")
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_learnable_set_has_a_suggestion_and_a_command_that_works(tlk, run):
    before = contents(run)
    found = tlk("lr-find", run, "--unfreeze", "from:block3", "--from", "1e-5", "--to", "1e5", "--steps", "50")
    assert found.code == 0, found.err
    assert contents(run) == before
    assert "suggested learning rate" in found.out and "*" in found.out
    assert max(map(len, found.out.splitlines()[:12])) <= 80 and found.out.isascii()
    program, *command = shlex.split(found.out.partition("next: ")[2])
    assert program == "tlk" and "finetune.unfreeze=from:block3" in command
    assert tlk(*command, "--epochs", "1").code == 0


def test_json_table_and_picture_tell_the_same(tlk, run, tmp_path):
    folder = tmp_path / "elsewhere"
    done = tlk("lr-find", run, *SHORT, "--to", "1e-3", "--output", folder, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert not (run / "lr_find").exists()
    rows = list(csv.DictReader((folder / "lr.csv").read_text().splitlines()))
    assert [{name: float(cell) for name, cell in row.items()} for row in rows] == found["points"]
    assert [point["rate"] for point in found["points"]] == pytest.approx(exponential_rates(1e-7, 1e-3, 12))
    assert found["picture"] == str(folder / "lr.png") and Image.open(folder / "lr.png").format == "PNG"
    assert (found["learning_rate"] is None) == (found["next"] is None)


def test_rates_too_low_to_change_anything_give_no_suggestion(tlk, run):
    done = tlk("lr-find", run, *SHORT, "--from", "1e-12", "--to", "1e-11")
    assert done.code == 0 and "No suggestion. The loss hardly changes" in done.out
    assert "next:" not in done.out and "Give a higher --to" in done.out


def test_the_same_seed_gives_the_same_points_and_the_files_are_replaced(tlk, run):
    tables = []
    for _ in range(2):
        assert tlk("lr-find", run, *SHORT).code == 0
        tables.append((run / "lr_find/lr.csv").read_bytes())
    assert tables[0] == tables[1]
    assert {file.name for file in (run / "lr_find").iterdir()} == {"lr.csv", "lr.png"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--from", "1", "--to", "1e-3"), "0 < --from < --to; found --from 1 --to 0.001"),
        (("--from", "0"), "0 < --from < --to"),
        (("--to", "nan"), "0 < --from < --to"),
        (("--steps", "9"), "--steps to be 10 or more, for a curve; found 9"),
        (("--set", "head.hidden=[3]"), "head cannot be changed after `tlk fit`"),
        (("--unfreeze", "from:block9"), "no block or layer 'block9'"),
    ],
)
def test_wrong_options_are_explained(tlk, run, options, expected):
    done = tlk("lr-find", run, *options)
    assert done.code == 1 and expected in done.err and "Traceback" not in done.err
    assert not (run / "lr_find").exists()


def test_an_output_that_is_a_file_is_left_alone(tlk, run, tmp_path):
    (tmp_path / "notes").write_text("mine")
    done = tlk("lr-find", run, "--output", tmp_path / "notes")
    assert done.code == 1 and "to be a folder" in done.err
    assert (tmp_path / "notes").read_text() == "mine"


def test_source_models_gone_images_and_locked_runs(tlk, run):
    with locked(run):
        assert "being written by process" in tlk("lr-find", run).err
    manifest = run / "manifest.csv"
    kept = manifest.read_bytes()
    manifest.write_bytes(kept.replace(b"photos", b"moved"))
    assert "are not where they were" in tlk("lr-find", run).err
    manifest.write_bytes(kept)
    (run / "source.json").write_text("{}")
    assert "is a source model" in tlk("lr-find", run).err


def test_signs_that_the_font_has_not_are_escaped(tmp_path):
    assert drawable("flowers é") == "flowers é"
    assert drawable("花") == "\\u82b1"
    assert drawable("\t") == "\\t"
    # A dollar sign would start a formula.
    save_lr_curve(tmp_path / "lr.png", "$\\frac", [1e-3, 1e-2], [1.0, 2.0], [1.0, 1.5], None)
    assert Image.open(tmp_path / "lr.png").size == (960, 540)


def test_the_text_shows_the_dip_though_the_loss_explodes():
    rates = exponential_rates(1e-7, 1, 60)
    lines = text_curve(rates, [2.0] * 30 + [1.0] * 20 + [100.0] * 10, rates[35])
    body = [line.ljust(71)[11:] for line in lines[:12]]
    heights = [next(row for row in range(12) if body[row][column] == "*") for column in range(60)]
    assert heights[0] not in (0, 11) and heights[40] == 11 and heights[59] == 0
    assert all(row[35] in "|*" for row in body)

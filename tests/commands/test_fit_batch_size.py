"""`--batch-size auto`: what fits into memory."""

from __future__ import annotations

from tl_keras import load_config

AUTO = ("--backbone", "Tiny", "--epochs", "2", "--batch-size", "auto")


def test_it_goes_with_the_head_that_is_chosen_by_default(tlk, photos, tmp_path):
    done = tlk("fit", photos, *AUTO, "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert "head: " in done.err and "cross-validation" in done.err
    made = load_config(tmp_path / "run" / "config.yaml")
    assert made.head is not None and made.train.epochs == 2


def test_it_goes_with_a_head_that_is_set(tlk, photos, tmp_path):
    done = tlk("fit", photos, *AUTO, "--set", "head.dropout=0.1", "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert load_config(tmp_path / "run" / "config.yaml").train.batch_size == "auto"

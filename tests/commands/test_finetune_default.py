"""The second phase as it comes: the upper part of the backbone, at a low rate that is reached slowly."""

from __future__ import annotations

import pytest

from tl_keras import load_config


def test_the_settings():
    phase = load_config().finetune
    assert phase.unfreeze == "last:0.3"
    assert phase.learning_rate == pytest.approx(1e-4)
    assert 1e-5 <= phase.learning_rate <= 1e-4
    assert phase.schedule.warmup_epochs >= 1 and phase.stages == ()


def test_the_command_does_what_they_say(tlk, photos, tmp_path):
    fit = ("fit", photos, "--backbone", "Tiny", "--epochs", 1, "--set", "head.dropout=0.1")
    assert tlk(*fit, "--name", "run", "--runs-dir", tmp_path).code == 0
    done = tlk("unfreeze-and-finetune", tmp_path / "run")
    assert done.code == 0, done.err
    assert "unfrozen: last:0.3; at most" in done.err
    assert "that part is computed once per image" in done.err
    assert "rate 0.0001\n" in done.err

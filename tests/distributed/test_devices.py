"""Strategies and precision, on logical CPU devices; in processes of their own, for both are set for good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tests.images import class_folders
from tl_keras.config.schema import PhaseConfig, RuntimeConfig
from tl_keras.core import console
from tl_keras.distributed import devices
from tl_keras.distributed.devices import DevicePlan, workers_of
from tl_keras.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


FIT = """
    import sys
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tl_keras import fit, load_config, unfreeze_and_finetune
    photos, runs, strategy, batch, weights = sys.argv[1:]
    config = load_config(overrides={
        "data.image_size": 32, "model.backbone": "MobileNet", "model.options": {"alpha": 0.25},
        "model.weights": weights, "head.dropout": 0.0, "train.epochs": 2, "train.batch_size": int(batch),
        "finetune.epochs": 1, "finetune.batch_size": int(batch), "finetune.unfreeze": "last:0.3",
        "finetune.learning_rate": 1e-5, "runtime.strategy": strategy})
    made = fit(photos, config, name=strategy, runs_dir=runs)
    print(made.phase.val_loss, made.report.evaluation.loss)
"""

FINETUNE = """
    print(unfreeze_and_finetune(made.run).phase.val_loss)
"""


@pytest.mark.slow
def test_mirrored_on_two_devices_learns_what_one_learns(photos, alive, tmp_path):
    one = np.array(
        run_python(FIT + FINETUNE, str(photos), str(tmp_path), "none", "16", str(alive)).split(), float
    )
    two = np.array(
        run_python(FIT + FINETUNE, str(photos), str(tmp_path), "mirrored", "16", str(alive)).split(), float
    )
    np.testing.assert_allclose(one, two, rtol=1e-4)


def test_mirrored_takes_images_and_batches_of_any_number(tmp_path):
    class_folders(tmp_path / "train", classes=2, per_class=7)
    class_folders(tmp_path / "val", classes=2, per_class=2, seed=50)
    (tmp_path / "train" / "red" / "red_00.jpg").unlink()
    (tmp_path / "val" / "red" / "red_00.jpg").unlink()
    assert run_python(FIT, str(tmp_path), str(tmp_path / "runs"), "mirrored", "5", "none")


@pytest.mark.parametrize(
    ("workers", "replicas", "accumulate", "text"),
    [
        (1, 1, 1, "batch 32"),
        (2, 2, 1, "batch 32 = 2 workers x 16"),
        (2, 8, 1, "batch 32 = 2 workers x 4 replicas x 4"),
        (1, 3, 1, "batch 33 = 3 replicas x 11"),
        (1, 1, 4, "batch 32, 4 batches per update"),
    ],
)
def test_the_plan_says_how_a_batch_is_shared(workers, replicas, accumulate, text):
    plan = DevicePlan(None, replicas, (0, workers), "float32", False, "")
    assert plan.describe_batch(32, accumulate) == text


def test_the_plan_says_that_the_rate_grows_with_the_batch():
    phase = PhaseConfig(batch_size=64, accumulate=2, learning_rate=1e-3, learning_rate_batch=32)
    text = DevicePlan(None, 1, (0, 1), "float32", False, "").describe_phase(phase)
    assert text.endswith("learning rate 0.001 is for 32 images, so it is 0.004 for 128")


def test_workers_need_tf_config_and_one_is_none(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        workers_of(RuntimeConfig(strategy="multi_worker"))
    assert workers_of(RuntimeConfig()) is None
    two = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(two))
    assert workers_of(RuntimeConfig(strategy="none")) is None
    found = workers_of(RuntimeConfig())
    assert found is not None and found.rank == 1


@pytest.mark.slow
def test_mixed_precision_computes_low_and_answers_in_float32(photos, tmp_path):
    code = """
        import sys
        import numpy as np
        from tl_keras import export, fit, load_config
        config = load_config(overrides={
            "data.image_size": 32, "model.backbone": "MobileNet", "model.options": {"alpha": 0.25},
            "model.weights": "none", "train.epochs": 1, "runtime.precision": "mixed_bfloat16"})
        made = fit(sys.argv[1], config, name="mixed", runs_dir=sys.argv[2])
        import keras
        model = keras.models.load_model(made.run / "model.keras", compile=False)
        print(model.get_layer("backbone").layers[1].compute_dtype, model.output.dtype)
        done = export(made.run, format="tflite")
        print(done.agreement.max_difference < 0.05)
    """
    assert run_python(code, str(photos), str(tmp_path)).split() == ["bfloat16", "float32", "True"]


def test_a_worker_is_mute_until_its_process_trains_alone(monkeypatch, capfd):
    alone = RuntimeConfig(strategy="none")
    monkeypatch.setattr(devices, "is_chief", lambda: False)
    devices.plan_devices(alone)
    console.say("as a worker")
    monkeypatch.undo()
    devices.plan_devices(alone)
    console.say("alone")
    assert capfd.readouterr().err == "alone\n"

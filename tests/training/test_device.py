"""Strategies and precision, on logical CPU devices; in processes of their own, for both are set for good."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

from tests.images import class_folders

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
        "finetune.epochs": 1, "finetune.batch_size": int(batch), "runtime.strategy": strategy})
    made = fit(photos, config, name=strategy, runs_dir=runs)
    print(made.phase.val_loss, made.report.evaluation.loss)
"""

FINETUNE = """
    print(unfreeze_and_finetune(made.run).phase.val_loss)
"""


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

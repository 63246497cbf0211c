"""Training over several processes on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.commands.tlk import Tlk
from tests.images import class_folders
from tl_keras.distributed import strategy as multi_worker
from tl_keras.distributed.cluster import Cluster, cluster_of_environment
from tl_keras.distributed.collectives import any_of_workers, broadcast, is_chief
from tl_keras.distributed.strategy import split_batches
from tl_keras.errors import ConfigError, RunError

ROOT = Path(__file__).resolve().parents[2]
TWO = {"worker": ["a:1", "b:1"]}


def start_workers(command: list[str], workers: int, temporary: Path) -> list[subprocess.Popen[str]]:
    """Start the same Python command on each worker of a cluster on this machine."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    started = []
    for index in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        env = os.environ | {"TF_CONFIG": json.dumps(task), "TMPDIR": str(temporary)}
        started.append(
            subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=env, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    return started


def output(process: subprocess.Popen[str], seconds: float) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a process that has to end within so many seconds."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.fixture
def tlk(monkeypatch, capfd) -> Tlk:
    return Tlk(monkeypatch, capfd)


@pytest.fixture(scope="module")
def shared_out(tmp_path_factory) -> Path:
    """Images of which two replicas have as many in every split."""
    root = tmp_path_factory.mktemp("shared")
    class_folders(root / "train", classes=2, per_class=16)
    class_folders(root / "val", classes=2, per_class=4, seed=100)
    class_folders(root / "test", classes=2, per_class=4, seed=200)
    return root


def train(photos: str, runs: str, strategy: str) -> None:
    """Fit on whole images, then fine-tune on stored features."""
    from tl_keras.config.loading import load_config
    from tl_keras.runs.folder import RunFolder
    from tl_keras.workflows.fit import fit
    from tl_keras.workflows.unfreeze_and_finetune import unfreeze_and_finetune

    settings = {
        "data.image_size": 32, "model.backbone": "Tiny", "head.dropout": 0.0, "features": False,
        "train.epochs": 2, "train.batch_size": 12, "finetune.epochs": 2, "finetune.batch_size": 12,
        "runtime.strategy": strategy,
    }  # fmt: skip
    run = fit(photos, load_config(overrides=settings), name=strategy, runs_dir=runs).run
    unfreeze_and_finetune(run, RunFolder(run).config().model_copy(update={"features": True}))


def share() -> None:
    """Check, in a worker, what workers tell each other."""
    given = [np.full(3, np.pi), np.arange(5, dtype=np.uint8), np.zeros((0, 2), np.float32), np.array(-0.0)]
    received = broadcast(given if is_chief() else [])
    assert [(a.dtype, a.shape, a.tobytes()) for a in given] == [
        (a.dtype, a.shape, a.tobytes()) for a in received
    ]
    assert any_of_workers(not is_chief())
    assert not any_of_workers(False)


WORKER = """
import sys
from tl_keras.core.tensorflow_setup import import_tensorflow
import_tensorflow()
from tests.distributed.test_strategy import share, train
train(*sys.argv[1:], "multi_worker")
share()
"""


def losses(phase: Path) -> np.ndarray:
    table = np.genfromtxt(phase / "history.csv", delimiter=",", names=True)
    return np.stack([table["loss"], table["val_loss"]])


def weights(phase: Path) -> list[np.ndarray]:
    return keras.models.load_model(phase / "model.keras", compile=False).get_weights()


@pytest.mark.slow
def test_two_workers_learn_what_one_process_learns(shared_out, tmp_path, tmp_path_factory):
    temporary = tmp_path_factory.mktemp("temporary")
    two = start_workers(["-c", WORKER, str(shared_out), str(tmp_path)], 2, temporary)
    ends = [output(process, 200) for process in two]
    assert [code for code, *_ in ends] == [0, 0], ends
    train(str(shared_out), str(tmp_path), "none")
    for phase in ("1-head", "2-finetune"):
        one, both = (tmp_path / strategy / "phases" / phase for strategy in ("none", "multi_worker"))
        np.testing.assert_allclose(losses(one), losses(both), atol=1e-5, rtol=0)
        for ours, theirs in zip(weights(one), weights(both), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {"none", "multi_worker"}
    (_, _, said), (_, *nothing) = ends
    assert "batch 12 = 2 workers x 6" in said
    assert nothing == ["", ""]
    assert not list(temporary.glob("tlk-worker-*"))


@pytest.mark.slow
def test_a_lost_worker_ends_the_others_and_one_process_goes_on(shared_out, tmp_path, tmp_path_factory, tlk):
    def fit(strategy: str, runs_dir: Path) -> list[str]:
        return [
            "fit", str(shared_out), "--backbone", "Tiny", "--features", "off", "--strategy", strategy,
            "--batch-size", "12", "--epochs", "30", "--set", "train.early_stopping=0",
            "--set", "head.dropout=0", "--set", "runtime.checkpoint_minutes=1e-9",
            "--name", "run", "--runs-dir", str(runs_dir),
        ]  # fmt: skip

    command = ["-m", "tl_keras", *fit("multi_worker", tmp_path)]
    chief, other = start_workers(command, 2, tmp_path_factory.mktemp("temporary"))
    assert chief.stderr is not None
    for line in chief.stderr:
        if line.startswith("epoch"):
            break
    other.kill()
    killed = time.monotonic()
    code, _, said = output(chief, 60)
    assert time.monotonic() - killed < 60
    assert code == 1 and "A worker was lost" in said and "same command" in said, said
    other.communicate()
    alone, whole = tlk(*fit("none", tmp_path)), tlk(*fit("none", tmp_path / "whole"))
    assert (alone.code, whole.code) == (0, 0) and "resuming after an interruption" in alone.err, alone.err
    one, both = (folder / "run" / "phases" / "1-head" for folder in (tmp_path / "whole", tmp_path))
    np.testing.assert_allclose(losses(one), losses(both), atol=1e-4, rtol=0)
    for ours, theirs in zip(weights(one), weights(both), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3, rtol=0)


def test_the_chief_says_who_did_not_appear(monkeypatch):
    monkeypatch.setattr(multi_worker, "START_SECONDS", 0.5)
    with socket.create_server(("localhost", 0)) as there, socket.create_server(("localhost", 0)) as gone:
        addresses = [f"localhost:{one.getsockname()[1]}" for one in (there, gone)]
        gone.close()
        with pytest.raises(RunError, match=f"No worker appeared at {addresses[1]} within 0.5 s"):
            multi_worker.multi_worker_strategy(Cluster({"worker": ["localhost:1", *addresses]}, "worker", 0))


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ("{worker", "not JSON"),
        ([1], "not a table"),
        ({"cluster": TWO}, "type and index"),
        (
            {"cluster": TWO, "task": {"type": "worker", "index": 2}},
            "worker 2 is not in its cluster, which has 2",
        ),
        ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "a number from 0"),
        ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "chief 0 is not in its cluster"),
        ({"cluster": TWO, "task": {"type": "evaluator", "index": 0}}, "found 'evaluator'"),
        ({"cluster": {**TWO, "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}, "not with 'ps'"),
        ({"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}, "list of host:port"),
        ({"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}, "one chief"),
    ],
)
def test_a_wrong_tf_config_is_explained(found, fault, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", found if isinstance(found, str) else json.dumps(found))
    with pytest.raises(ConfigError, match=fault):
        cluster_of_environment()


@pytest.mark.parametrize(
    "found", ["", "{}", {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}]
)
def test_one_worker_is_no_cluster(found, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", found if isinstance(found, str) else json.dumps(found))
    assert cluster_of_environment() is None


def test_the_chief_is_the_first_worker(monkeypatch):
    tree = {"cluster": {"worker": ["b:1", "c:1"], "chief": ["a:1"]}, "task": {"type": "worker", "index": "1"}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(tree))
    found = cluster_of_environment()
    assert found is not None
    assert (found.addresses, found.rank) == (["a:1", "b:1", "c:1"], 2)


def test_replicas_of_a_worker_get_equal_batches_in_order():
    rows = tf.data.Dataset.from_tensor_slices((tf.reshape(tf.range(24), [12, 2]), tf.range(12))).batch(8)
    found = [
        (images.numpy()[:, 0].tolist(), targets.numpy().tolist())
        for images, targets in split_batches(rows, 2)
    ]
    assert [targets for _, targets in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [10, 11]]
    assert all(images == [2 * target for target in targets] for images, targets in found)

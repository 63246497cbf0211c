"""A process that was one of several workers: afterwards it is one of its own again."""

from __future__ import annotations

import pytest

from tests.distributed.test_strategy import output, start_workers
from tests.images import class_folders

WORKER = """
import json, os, sys
photos, runs = sys.argv[1:]
import tl_keras

def fit(strategy, name, runs_dir):
    settings = {
        "data.image_size": 32, "model.backbone": "Tiny", "head.dropout": 0.1, "train.epochs": 1,
        "train.batch_size": 8, "runtime.strategy": strategy,
    }
    config = tl_keras.load_config(overrides=settings)
    tl_keras.fit(photos, config, name=name, runs_dir=runs_dir)

fit("multi_worker", "together", runs)
index = json.loads(os.environ.pop("TF_CONFIG"))["task"]["index"]
print("ALONE", file=sys.stderr, flush=True)
fit("none", "alone", os.path.join(runs, f"of-{index}"))
"""


@pytest.mark.slow
def test_a_worker_is_silent_only_while_it_is_one(tmp_path, tmp_path_factory):
    photos = class_folders(tmp_path / "photos", classes=2, per_class=16)
    command = ["-c", WORKER, str(photos), str(tmp_path / "runs")]
    workers = start_workers(command, 2, tmp_path_factory.mktemp("temporary"))
    ends = [output(process, 200) for process in workers]
    assert [code for code, *_ in ends] == [0, 0], ends
    (chief_together, _, chief_alone), (other_together, _, other_alone) = (
        said.partition("ALONE\n") for _, _, said in ends
    )
    assert "best epoch by val_" in chief_together and other_together == ""
    assert "best epoch by val_" in chief_alone
    assert "best epoch by val_" in other_alone

"""The workers of a training, as TF_CONFIG names them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from tl_keras.errors import ConfigError

TRAINING_JOBS = ("chief", "worker")

EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers, as TF_CONFIG names them.

    Attributes:
        jobs: Job -> addresses, `host:port`.
        job: This process's job.
        index: Its number in that job.
    """

    jobs: dict[str, list[str]]
    job: str
    index: int

    @property
    def addresses(self) -> list[str]:
        """The addresses of all workers; the chief's is the first."""
        return [address for job in TRAINING_JOBS for address in self.jobs.get(job, [])]

    @property
    def rank(self) -> int:
        """Which of `addresses` is this process's."""
        return self.index + (len(self.jobs.get("chief", [])) if self.job == "worker" else 0)

    @property
    def leader(self) -> str:
        """TensorFlow's name of the chief."""
        return f"/job:{'chief' if 'chief' in self.jobs else 'worker'}/replica:0/task:0"


def cluster_of_environment() -> Cluster | None:
    """Return the cluster that TF_CONFIG names, or None where it names no more than one worker.

    Raises:
        ConfigError: It is not as TensorFlow describes it, or this task does not train.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise _wrong(f"it is not JSON ({error})") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("cluster", {}), dict):
        raise _wrong("`cluster` is not a table of jobs and their addresses")
    if not tree.get("cluster"):
        return None
    cluster = Cluster(_jobs(tree["cluster"]), *_task(tree.get("task")))
    there_are = len(cluster.jobs.get(cluster.job, []))
    if cluster.index >= there_are:
        raise _wrong(
            f"task {cluster.job} {cluster.index} is not in its cluster, which has {there_are} of them"
        )
    return cluster if len(cluster.addresses) > 1 else None


def _jobs(found: dict[str, Any]) -> dict[str, list[str]]:
    if others := [job for job in found if job not in (*TRAINING_JOBS, "evaluator")]:
        raise _wrong(f"tlk trains with `worker` and `chief` tasks only, not with {others[0]!r}")
    for job, addresses in found.items():
        if not isinstance(addresses, list) or not all(":" in str(address) for address in addresses):
            raise _wrong(f"expected a list of host:port for {job!r}, found {addresses!r}")
    if len(found.get("chief", [])) > 1:
        raise _wrong("there can be one chief only")
    return {job: [str(address) for address in found[job]] for job in TRAINING_JOBS if job in found}


def _task(found: Any) -> tuple[str, int]:
    if not isinstance(found, dict) or "type" not in found or "index" not in found:
        raise _wrong("`task` does not say type and index of this process")
    if found["type"] not in TRAINING_JOBS:
        raise _wrong(f"expected a `worker` or `chief` task, found {found['type']!r}; do not start tlk there")
    if not str(found["index"]).isdigit():
        raise _wrong(f"the index of the task is a number from 0, found {found['index']!r}")
    return found["type"], int(found["index"])


def _wrong(fault: str) -> ConfigError:
    return ConfigError(f"TF_CONFIG: {fault}.\nExpected, for example: {EXAMPLE}")

"""`tlk runs`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from tl_keras.cli.options import DEBUG, JSON, RUNS_DIR


@click.command(short_help="List the runs, newest first.")
@RUNS_DIR
@JSON
@DEBUG
def runs(runs_dir: Path, as_json: bool) -> None:
    """List the finished runs with their data, backbone, phase and accuracy, newest first."""
    from tl_keras.cli.output.listings import print_runs
    from tl_keras.core.console import warn
    from tl_keras.runs.folder import list_runs
    from tl_keras.runs.resumable import list_unfinished, unfinished_phase
    from tl_keras.workflows.runs import runs as work

    print_runs(work(runs_dir), runs_dir, as_json=as_json)
    for run in list_unfinished(runs_dir):
        warn(f"{run.name} is unfinished; go on with: tlk resume {quote(str(runs_dir / run.name))}")
    for run in list_runs(runs_dir):
        if unfinished_phase(run):
            command = f"tlk resume {quote(str(run.path))}"
            warn(f"the fine-tuning of {run.name} is unfinished; go on with: {command}")

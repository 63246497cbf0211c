"""`tlk runs`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUNS_DIR


@click.command(short_help="List the runs, newest first.")
@RUNS_DIR
@JSON
@DEBUG
def runs(runs_dir: Path, as_json: bool) -> None:
    """List the runs with their data, backbone, phase and accuracy, newest first; the unfinished ones too."""
    from tl_keras.cli.output.listings import print_runs

    print_runs(tl_keras.runs(runs_dir), runs_dir, as_json=as_json)

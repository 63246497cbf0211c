"""`tlk resume`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUN


@click.command(short_help="Resume what was stopped.")
@RUN
@JSON
@DEBUG
def resume(run: Path, as_json: bool) -> None:
    """Resume the fit, the pretraining or the fine-tuning of RUN that was stopped.

    Ctrl-C, a crash, `kill -9` or a power cut: training resumes from its last checkpoint, and on a CPU ends
    with the same weights, to the bit, as if it had never been stopped. The command that was stopped does the
    same when it is given again.
    """
    from tl_keras.cli.output.training import print_resumed

    print_resumed(tl_keras.resume(run), run, as_json=as_json)

"""`tlk backbones`."""

from __future__ import annotations

import click

from tl_keras.cli.options import DEBUG, JSON


@click.command(short_help="List the pretrained networks to choose from.")
@JSON
@DEBUG
def backbones(as_json: bool) -> None:
    """List the backbones: default and least image size, feature width, parameters, options."""
    from tl_keras.cli.printing import print_backbones
    from tl_keras.workflows.backbones import backbones as work

    print_backbones(work(), as_json=as_json)

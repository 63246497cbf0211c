"""`tlk backbones`."""

from __future__ import annotations

import click

from tl_keras.cli.options import DEBUG, JSON


@click.command(short_help="List the pretrained networks to choose from.")
@JSON
@DEBUG
def backbones(as_json: bool) -> None:
    """List the backbones: default and least image size, feature width, number of weights, options.

    Pixels, 0 to 255, become: tf: -1 to 1; caffe: BGR minus the ImageNet means; torch: ImageNet mean 0
    and deviation 1; none: as they are, the network scales them itself. Blocks are what
    --unfreeze from:BLOCK takes.
    """
    from tl_keras.cli.printing import print_backbones
    from tl_keras.workflows.backbones import backbones as work

    print_backbones(work(), as_json=as_json)

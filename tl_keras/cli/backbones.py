"""`tlk backbones`."""

from __future__ import annotations

import click

import tl_keras
from tl_keras.cli.options import BACKBONE_OPTION, DEBUG, IMAGE_SIZE, JSON, Asked, asked_settings


@click.command(short_help="List the pretrained networks to choose from.")
@click.argument("name", required=False)
@BACKBONE_OPTION
@IMAGE_SIZE
@JSON
@DEBUG
@asked_settings
def backbones(asked: Asked, name: str | None, as_json: bool) -> None:
    """List the backbones: default and least image size, feature width, number of weights, options.

    Pixels, 0 to 255, become: tf: -1 to 1; caffe: BGR minus the ImageNet means; torch: ImageNet mean 0
    and deviation 1; none: as they are, the network scales them itself. Blocks are what
    --unfreeze from:BLOCK takes.

    With NAME, list the blocks of that network and what they cost; nothing is downloaded. What lies from
    a block on, in weights and in multiply-adds, is what --unfreeze from:BLOCK trains.
    """
    from tl_keras.cli.output.listings import print_backbone_costs, print_backbones

    if name is not None:
        asked.options["model.backbone"] = name
        return print_backbone_costs(tl_keras.backbone_costs(asked.config()), as_json=as_json)
    if asked.options:
        raise click.UsageError("--backbone-option and --image-size are of one network: name it.")
    return print_backbones(tl_keras.backbones(), as_json=as_json)

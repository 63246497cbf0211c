"""`tlk backbones`."""

from __future__ import annotations

from typing import Any

import click

from tl_keras.cli.options import DEBUG, JSON, NETWORK, read_settings

_, BACKBONE_OPTION, IMAGE_SIZE = NETWORK


@click.command(short_help="List the pretrained networks to choose from.")
@click.argument("name", required=False)
@BACKBONE_OPTION
@IMAGE_SIZE
@JSON
@DEBUG
def backbones(name: str | None, as_json: bool, **named: Any) -> None:
    """List the backbones: default and least image size, feature width, number of weights, options.

    Pixels, 0 to 255, become: tf: -1 to 1; caffe: BGR minus the ImageNet means; torch: ImageNet mean 0
    and deviation 1; none: as they are, the network scales them itself. Blocks are what
    --unfreeze from:BLOCK takes.

    With NAME, list the blocks of that network and what they cost; nothing is downloaded. What lies from
    a block on, in weights and in multiply-adds, is what --unfreeze from:BLOCK trains.
    """
    if name is None:
        _list_all(named, as_json=as_json)
        return
    config = read_settings(None, (), {"model__backbone": name, **named})
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.cli.output.listings import print_backbone_costs
    from tl_keras.workflows.backbones import backbone_costs as work

    print_backbone_costs(work(config), as_json=as_json)


def _list_all(named: dict[str, Any], *, as_json: bool) -> None:
    if any(named.values()):
        raise click.UsageError("--backbone-option and --image-size are of one network: name it.")
    from tl_keras.cli.output.listings import print_backbones
    from tl_keras.workflows.backbones import backbones as work

    print_backbones(work(), as_json=as_json)

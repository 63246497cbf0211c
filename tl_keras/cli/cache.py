"""`tlk cache`."""

from __future__ import annotations

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON


@click.group(short_help="List or clear the stored features.", invoke_without_command=True)
@JSON
@DEBUG
@click.pass_context
def cache(context: click.Context, as_json: bool) -> None:
    """List the features that are stored on this machine, with their size and the runs that used them.

    They make the next training on the same images start at once; without them it is only slower. They lie in
    ~/.cache/tl_keras/features, or below TLK_CACHE, and take at most runtime.store_gb.
    """
    from tl_keras.cli.output.listings import print_cache

    if context.invoked_subcommand is None:
        print_cache(tl_keras.cache(), as_json=as_json)


@cache.command(short_help="Remove all stored features.")
@DEBUG
def clear() -> None:
    """Remove all stored features. Runs stay as they are."""
    from tl_keras.core.console import result

    result(f"{tl_keras.clear_cache():.1f} MB removed")

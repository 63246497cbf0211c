"""`resume`: what was stopped goes on to its end."""

from __future__ import annotations

from pathlib import Path

from tl_keras.config.loading import load_config
from tl_keras.errors import RunError
from tl_keras.phases.finetune import FinetuneResult
from tl_keras.runs.folder import RunFolder, find_run
from tl_keras.runs.lock import locked
from tl_keras.runs.resumable import REQUESTED, remove_checkpoints, unfinished_phase, unfinished_run
from tl_keras.workflows import fit, pretrain, unfreeze_and_finetune

Resumed = fit.FitResult | pretrain.PretrainResult | FinetuneResult


def resume(run: str | Path) -> Resumed | None:
    """Go on with a `fit`, `pretrain` or `unfreeze_and_finetune` that was stopped.

    It ends as if it had never been stopped; on a CPU to the bit.

    Args:
        run: The folder of the run: where it is, or where it is going to be.

    Returns:
        What the stopped call would have returned; None if the run is finished.

    Raises:
        RunError: There is nothing of that name.
        TlkError: As the stopped call.
    """
    folder = Path(run)
    begun = unfinished_run(folder)
    if begun is not None:
        return _new_run(begun, folder)
    finished = find_run(folder)
    phase = unfinished_phase(finished)
    if phase is not None:
        return unfreeze_and_finetune.unfreeze_and_finetune(folder, load_config(phase / REQUESTED))
    with locked(folder):
        remove_checkpoints(finished.phases_dir)
    return None


def _new_run(begun: RunFolder, folder: Path) -> Resumed:
    config = load_config(begun.folder / REQUESTED)
    if folder.exists():
        raise RunError(
            f"{folder} is finished; an unfinished run of the same name was to replace it.\n"
            "Go on with that by the command that began it, with --overwrite."
        )
    verb = pretrain.pretrain if (begun.phases_dir / pretrain.PHASE).is_dir() else fit.fit
    return verb(None, config, name=folder.name, runs_dir=folder.parent)

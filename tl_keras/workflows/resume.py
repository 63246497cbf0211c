"""`resume`: what was interrupted is trained to its end."""

from __future__ import annotations

from pathlib import Path

from tl_keras.errors import RunError
from tl_keras.phases.finetune import FinetuneResult
from tl_keras.runs.folder import FIRST_PHASES, RunFolder, find_run
from tl_keras.runs.lock import locked
from tl_keras.runs.resumable import remove_checkpoints
from tl_keras.runs.unfinished import requested, unfinished_phase, unfinished_run
from tl_keras.workflows import fit, pretrain, unfreeze_and_finetune

Resumed = fit.FitResult | pretrain.PretrainResult | FinetuneResult


def resume(run: str | Path) -> Resumed | None:
    """Resume a `fit`, `pretrain` or `unfreeze_and_finetune` that was interrupted.

    It ends as if it had never been interrupted; on a CPU to the bit.

    Args:
        run: The folder of the run: where it is, or where it is going to be.

    Returns:
        What the interrupted call would have returned; None if the run is finished.

    Raises:
        RunError: There is nothing of that name.
        TlkError: As the interrupted call.
    """
    folder = Path(run)
    unfinished = unfinished_run(folder)
    if unfinished is not None:
        return _new_run(unfinished, folder)
    finished = find_run(folder)
    phase = unfinished_phase(finished)
    if phase is not None:
        return unfreeze_and_finetune.unfreeze_and_finetune(folder, requested(phase))
    with locked(folder):
        remove_checkpoints(finished.phases_dir)
    return None


def _new_run(unfinished: RunFolder, folder: Path) -> Resumed:
    config = requested(unfinished.path)
    if folder.exists():
        raise RunError(
            f"{folder} is finished; an unfinished run of the same name was to replace it.\n"
            "Resume it by the command that started it, with --overwrite."
        )
    verb = pretrain.pretrain if (unfinished.phases_dir / FIRST_PHASES["pretrain"]).is_dir() else fit.fit
    return verb(None, config, name=folder.name, runs_dir=folder.parent)

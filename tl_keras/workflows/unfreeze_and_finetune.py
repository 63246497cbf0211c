"""`unfreeze-and-finetune`: the second phase, which has to earn its place on val."""

from __future__ import annotations

from pathlib import Path

from tl_keras.config.schema import Config
from tl_keras.phases.finetune import FinetuneResult, finetune
from tl_keras.runs.folder import find_run
from tl_keras.runs.new_run import changed_run


def unfreeze_and_finetune(
    run: str | Path, config: Config | None = None, *, overwrite: bool = False
) -> FinetuneResult:
    """Unfreeze part of a run's backbone and train on at a low rate, BatchNorm in inference mode.

    The activations of the part that stays frozen are computed once per image (and view), and only the upper
    part is trained on them. Without augmentation this is the same training, to rounding, as with whole
    images. MixUp and CutMix, `features: off` or a full disk make it whole images in every epoch.

    The model of the run is replaced only when val says that it became better; everything of the phase
    is kept in `phases/N-finetune` either way. Interrupted, the same call resumes from the last checkpoint.

    Args:
        run: A finished run's folder.
        config: All settings; finetune, augment and runtime may differ from the run's. None for the run's own.
            The precision stays that of the run.
        overwrite: Give up an unfinished fine-tuning that was started with other settings.

    Raises:
        TlkError: The run, its images or the settings are not as needed; the run stays as it was.
        TrainingError: The loss failed; if that was after the best epoch, the rest was done as usual.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
    """
    config = config or find_run(Path(run)).config()
    with changed_run(run, config) as (folder, device):
        return finetune(folder, config, device, overwrite=overwrite)

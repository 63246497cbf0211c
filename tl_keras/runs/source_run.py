"""`source.json` of a pretrained run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.source_model import SourceModelInfo
from tl_keras.runs.dataset import Dataset
from tl_keras.runs.run import Run
from tl_keras.version import __version__


def source_model_info(stored: Run, report: EvaluationRecord) -> SourceModelInfo:
    config, found = stored.config, report.evaluation
    recipe: dict[str, Any] = {
        name: getattr(config, name).model_dump(mode="json") for name in ("head", "augment", "train")
    }
    return SourceModelInfo(
        backbone=config.model.backbone,
        options=config.model.options,
        image_size=stored.info.geometry.height,
        classes=stored.info.labels,
        data={
            "name": Path(str(config.data.source)).name,
            "train_images": len(stored.prepared.split("train")),
            "sha256": _fingerprint(stored.prepared),
        },
        recipe={**recipe, "seed": config.runtime.seed, "precision": config.runtime.precision},
        score={
            "split": report.split,
            "images": found.images,
            "accuracy": found.accuracy,
            "interval": found.interval,
        },
        version=__version__,
    )


def _fingerprint(prepared: Dataset) -> str:
    """Return a hash over all images that were used, wherever they lie on disk."""
    lines = sorted(f"{e.split} {e.label} {e.sha256}\n" for e in prepared.examples if e.is_used)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

"""`source.json` of a pretrained run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tl_keras.evaluation.record import Report
from tl_keras.models.source_model import SourceInfo
from tl_keras.runs.dataset import Prepared
from tl_keras.runs.run import StoredRun
from tl_keras.version import __version__


def source_info(stored: StoredRun, report: Report) -> SourceInfo:
    config, found = stored.config, report.evaluation
    recipe: dict[str, Any] = {
        name: getattr(config, name).model_dump(mode="json") for name in ("head", "augment", "train")
    }
    return SourceInfo(
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


def _fingerprint(prepared: Prepared) -> str:
    """Return a hash over all images that were used, wherever they lie on disk."""
    lines = sorted(f"{e.split} {e.label} {e.sha256}\n" for e in prepared.examples if not e.problem)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

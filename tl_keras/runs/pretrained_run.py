"""What a pretrained run has besides: its backbone's weights, and `source.json` about them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tl_keras.core.files import write_text
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.classifier import backbone_of
from tl_keras.models.source_model import SOURCE_FILE, WEIGHTS_FILE, SourceModelInfo, save_backbone
from tl_keras.runs.dataset import Dataset
from tl_keras.runs.run import Run
from tl_keras.version import __version__


def write_source(run: Run, classifier: Any, record: EvaluationRecord) -> None:
    """Write the backbone's weights and what they are into the folder of a pretrained run."""
    save_backbone(backbone_of(classifier), run.folder.path / WEIGHTS_FILE)
    write_text(run.folder.path / SOURCE_FILE, source_model_info(run, record).to_json())


def source_model_info(run: Run, record: EvaluationRecord) -> SourceModelInfo:
    """Return what a pretrained run says about its network."""
    config, found = run.config, record.evaluation
    recipe: dict[str, Any] = {
        name: getattr(config, name).model_dump(mode="json") for name in ("head", "augment", "train")
    }
    return SourceModelInfo(
        backbone=config.model.backbone,
        options=config.model.options,
        image_size=run.info.geometry.height,
        classes=run.info.labels,
        data={
            "name": Path(str(config.data.source)).name,
            "train_images": len(run.dataset.split("train")),
            "sha256": _fingerprint(run.dataset),
        },
        recipe={**recipe, "seed": config.runtime.seed, "precision": config.runtime.precision},
        score={
            "split": record.split,
            "images": found.images,
            "accuracy": found.accuracy,
            "interval": found.interval,
        },
        version=__version__,
    )


def _fingerprint(dataset: Dataset) -> str:
    """Return a hash over all images that were used, wherever they lie on disk."""
    lines = sorted(f"{e.split} {e.label} {e.sha256}\n" for e in dataset.used)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

"""Transfer learning for image classification with Keras 3 on TensorFlow.

The verbs of the command line are functions here, imported when first used:
`inspect`, `fit`, `cross_validate`, `lr_find`, `unfreeze_and_finetune`, `resume`, `evaluate`, `predict`,
`export`, `pretrain`, `backbones`, `runs`, `cache`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tl_keras.version import __version__

if TYPE_CHECKING:
    from tl_keras.config.loading import load_config
    from tl_keras.config.schema import Config, pretraining_defaults
    from tl_keras.workflows.backbones import backbones
    from tl_keras.workflows.cache import cache, clear_cache
    from tl_keras.workflows.cross_validate import cross_validate
    from tl_keras.workflows.evaluate import evaluate
    from tl_keras.workflows.export import export
    from tl_keras.workflows.fit import fit
    from tl_keras.workflows.inspect import inspect
    from tl_keras.workflows.lr_find import lr_find
    from tl_keras.workflows.predict import predict
    from tl_keras.workflows.pretrain import pretrain
    from tl_keras.workflows.resume import resume
    from tl_keras.workflows.runs import runs
    from tl_keras.workflows.unfreeze_and_finetune import unfreeze_and_finetune

__all__ = [
    "Config",
    "__version__",
    "backbones",
    "cache",
    "clear_cache",
    "cross_validate",
    "evaluate",
    "export",
    "fit",
    "inspect",
    "load_config",
    "lr_find",
    "predict",
    "pretrain",
    "pretraining_defaults",
    "resume",
    "runs",
    "unfreeze_and_finetune",
]


TRAINING = ("fit", "cross_validate", "lr_find", "unfreeze_and_finetune", "resume", "pretrain")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tl_keras' has no attribute {name!r}")
    if name in TRAINING or name in ("evaluate", "export"):
        importlib.import_module("tl_keras.core.tensorflow_setup").import_tensorflow()
    settings = {"Config": "schema", "load_config": "loading", "pretraining_defaults": "schema"}
    place = f"config.{settings[name]}" if name in settings else f"workflows.{name}"
    return getattr(importlib.import_module(f"tl_keras.{place}"), name)

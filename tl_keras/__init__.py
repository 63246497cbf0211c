"""Transfer learning for image classification with Keras 3 on TensorFlow.

The verbs of the command line are functions here, with the classes of their results and the errors:
`inspect`, `fit`, `cross_validate`, `lr_find`, `unfreeze_and_finetune`, `resume`, `evaluate`, `predict`,
`export`, `pretrain`, `backbones`, `backbone_costs`, `runs`, `cache`, `clear_cache`.
All are imported when first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tl_keras.version import __version__

if TYPE_CHECKING:
    from tl_keras.config.loading import load_config
    from tl_keras.config.schema import Config, pretraining_defaults
    from tl_keras.core.console import set_verbosity
    from tl_keras.data.findings import Finding
    from tl_keras.errors import (
        BadImage,
        ConfigError,
        DataError,
        MissingExtra,
        ModelError,
        RunError,
        TlkError,
        TrainingError,
    )
    from tl_keras.evaluation.evaluation import ClassScore, Evaluation
    from tl_keras.evaluation.folds import FoldsSummary
    from tl_keras.evaluation.record import EvaluationRecord
    from tl_keras.exporting.certificate import Agreement
    from tl_keras.features.budget import StoredFeatures
    from tl_keras.inspection.result import Inspection
    from tl_keras.models.backbones import Backbone
    from tl_keras.models.costs import BlockCost
    from tl_keras.phases.finetune import FinetuneResult
    from tl_keras.runs.folder import run_config
    from tl_keras.runs.lock import NameTaken
    from tl_keras.training.spec import PhaseResult
    from tl_keras.workflows.backbones import BackboneCosts, backbone_costs, backbones
    from tl_keras.workflows.cache import cache, clear_cache
    from tl_keras.workflows.cross_validate import CrossValidation, cross_validate
    from tl_keras.workflows.evaluate import EvaluateResult, evaluate
    from tl_keras.workflows.export import ExportResult, export
    from tl_keras.workflows.fit import FitResult, fit
    from tl_keras.workflows.inspect import InspectResult, inspect
    from tl_keras.workflows.lr_find import LrFindResult, lr_find
    from tl_keras.workflows.predict import Prediction, predict
    from tl_keras.workflows.pretrain import PretrainResult, pretrain
    from tl_keras.workflows.resume import resume
    from tl_keras.workflows.runs import RunSummary, runs
    from tl_keras.workflows.unfreeze_and_finetune import unfreeze_and_finetune

__all__ = [
    "Agreement",
    "Backbone",
    "BackboneCosts",
    "BadImage",
    "BlockCost",
    "ClassScore",
    "Config",
    "ConfigError",
    "CrossValidation",
    "DataError",
    "EvaluateResult",
    "Evaluation",
    "EvaluationRecord",
    "ExportResult",
    "Finding",
    "FinetuneResult",
    "FitResult",
    "FoldsSummary",
    "InspectResult",
    "Inspection",
    "LrFindResult",
    "MissingExtra",
    "ModelError",
    "NameTaken",
    "PhaseResult",
    "Prediction",
    "PretrainResult",
    "RunError",
    "RunSummary",
    "StoredFeatures",
    "TlkError",
    "TrainingError",
    "__version__",
    "backbone_costs",
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
    "run_config",
    "runs",
    "set_verbosity",
    "unfreeze_and_finetune",
]

_LIGHT = {
    "config.loading": ("load_config",),
    "config.schema": ("Config", "pretraining_defaults"),
    "core.console": ("set_verbosity",),
    "data.findings": ("Finding",),
    "errors": (
        "BadImage", "ConfigError", "DataError", "MissingExtra", "ModelError", "RunError", "TlkError",
        "TrainingError",
    ),
    "evaluation.evaluation": ("ClassScore", "Evaluation"),
    "evaluation.folds": ("FoldsSummary",),
    "evaluation.record": ("EvaluationRecord",),
    "features.budget": ("StoredFeatures",),
    "inspection.result": ("Inspection",),
    "models.backbones": ("Backbone",),
    "runs.folder": ("run_config",),
    "runs.lock": ("NameTaken",),
    "workflows.backbones": ("BackboneCosts", "backbone_costs", "backbones"),
    "workflows.cache": ("cache", "clear_cache"),
    "workflows.inspect": ("InspectResult", "inspect"),
    "workflows.predict": ("Prediction", "predict"),
    "workflows.runs": ("RunSummary", "runs"),
}  # fmt: skip
_ON_TENSORFLOW = {
    "exporting.certificate": ("Agreement",),
    "models.costs": ("BlockCost",),
    "phases.finetune": ("FinetuneResult",),
    "training.spec": ("PhaseResult",),
    "workflows.cross_validate": ("CrossValidation", "cross_validate"),
    "workflows.evaluate": ("EvaluateResult", "evaluate"),
    "workflows.export": ("ExportResult", "export"),
    "workflows.fit": ("FitResult", "fit"),
    "workflows.lr_find": ("LrFindResult", "lr_find"),
    "workflows.pretrain": ("PretrainResult", "pretrain"),
    "workflows.resume": ("resume",),
    "workflows.unfreeze_and_finetune": ("unfreeze_and_finetune",),
}
_MODULES = {name: module for module, names in (_LIGHT | _ON_TENSORFLOW).items() for name in names}
"""Where each name lives."""

if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'tl_keras' has no attribute {name!r}")
        if _MODULES[name] in _ON_TENSORFLOW:
            importlib.import_module("tl_keras.core.tensorflow_setup").import_tensorflow()
        return getattr(importlib.import_module(f"tl_keras.{_MODULES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the verb `runs` what it is: importing the folder `runs` would put that in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

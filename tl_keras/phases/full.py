"""Phase 1 in one step: all of the network from pretrained weights, or from random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tl_keras.config.schema import HeadConfig
from tl_keras.phases.adaptation import adapt_batchnorm_to
from tl_keras.phases.build import build, say_plan
from tl_keras.phases.finetune_plan import plan_finetuning
from tl_keras.phases.trained import Trained
from tl_keras.runs.new_run import NewRun
from tl_keras.runs.run import Run
from tl_keras.training.spec import TrainSpec
from tl_keras.training.trainer import train


def train_full(new: NewRun) -> Trained:
    """Train head and backbone at once from pretrained weights, as `finetune` says."""
    run, classifier = _prepared(new, frozen=True)
    if run.config.finetune.batchnorm == "adapt":
        adapt_batchnorm_to(run, classifier)
    plan = plan_finetuning(run, classifier, run.config, new.device)
    with plan.loader("train") as images, plan.loader("val") as val:
        result = train(plan.spec(images, val), new.phase_folder)
    reported = plan.loader(run.dataset.reported_split)
    return Trained(plan.run, classifier, plan.model, reported, result)


def train_scratch(new: NewRun) -> Trained:
    """Train head and backbone from random weights, as `train` says; BatchNorm learns its statistics."""
    run, classifier = _prepared(new, frozen=False)
    with run.loader("train") as images, run.loader("val") as val:
        spec = TrainSpec.from_config(run.config, run.config.train, new.device, classifier, images, val)
        result = train(spec, new.phase_folder)
    return Trained(run, classifier, classifier, run.loader(run.dataset.reported_split), result)


def _prepared(new: NewRun, *, frozen: bool) -> tuple[Run, Any]:
    """Return the run, with the head that its classifier has, and the classifier, untrained."""
    classifier = build(new.config, len(new.classes), new.device, frozen=frozen)
    say_plan(new.config, new.device)
    run = new.prepare(classifier)
    head = run.config.head or HeadConfig()
    return replace(run, config=run.config.model_copy(update={"head": head})), classifier

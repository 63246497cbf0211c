"""The learning-rate range test on a model prepared for fine-tuning."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from tl_keras.config.schema import Config, ScheduleConfig
from tl_keras.core.console import progress
from tl_keras.distributed.devices import plan_devices, require_one_process
from tl_keras.phases.adaptation import adapt_batchnorm_to
from tl_keras.phases.finetune_plan import load_for_finetuning, plan_finetuning
from tl_keras.training.compile import compile_model
from tl_keras.training.lr_range import RatePoint, range_test
from tl_keras.training.spec import BatchSize


def lr_points(folder: Path, config: Config, rates: list[float]) -> list[RatePoint]:
    """Prepare model and images as `unfreeze_and_finetune` does, and train for a step at each rate."""
    require_one_process(config.runtime, "lr-find")
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    run, classifier = load_for_finetuning(folder, config, device)
    if config.finetune.batchnorm == "adapt":
        adapt_batchnorm_to(run, classifier)
    plan = plan_finetuning(run, classifier, config, device)
    plan.stages[-1].begin()
    with plan.loader("train") as train:
        phase = config.finetune.model_copy(update={"schedule": ScheduleConfig(kind="constant")})
        spec = replace(plan.spec(train, train), phase=phase)
        size = BatchSize(phase.images_per_step, 1)
        # What is suggested is what --learning-rate takes, which is scaled when it is used.
        scale = phase.effective_rate(size.images * phase.accumulate) / phase.learning_rate
        steps = spec.steps_per_epoch(size.images)
        batches = spec.batches(size.images, epochs=math.ceil(len(rates) / steps))
        try:
            with device.strategy.scope(), progress("raising the rate", 2 * len(rates), "batches") as advance:
                compile_model(spec, size, steps)
                points = range_test(spec.model, batches, [rate * scale for rate in rates], advance)
        except tf.errors.OpError as error:
            raise (train.failure or error) from error
    return [replace(point, rate=point.rate / scale) for point in points]

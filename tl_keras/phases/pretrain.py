"""Phase 1 of a source model: all of a network from random weights, rounded as it will be stored."""

from __future__ import annotations

from tl_keras.core.console import say
from tl_keras.models.classifier import as_float32, backbone_of
from tl_keras.models.source_model import round_kernels
from tl_keras.phases.build import build
from tl_keras.phases.trained import Trained
from tl_keras.runs.new_run import NewRun
from tl_keras.training.spec import TrainSpec
from tl_keras.training.trainer import train


def train_source(new: NewRun) -> Trained:
    """Train a backbone and a head from random weights, as `train` says."""
    config, device = new.config, new.device
    classifier = build(config, len(new.classes), device, frozen=False)
    say(f"{config.model.backbone} from random weights, {classifier.count_params():,} of them")
    say(f"on {device.description}")
    say(device.describe_phase(config.train))
    run = new.prepare(classifier)
    with run.loader("train") as images, run.loader("val") as val:
        spec = TrainSpec.from_config(config, config.train, device, classifier, images, val)
        result = train(spec, new.phase_folder)
    classifier = as_float32(classifier)
    # Before the figures, which are then those of the file.
    round_kernels(backbone_of(classifier))
    return Trained(run, classifier, classifier, run.loader(run.dataset.reported_split), result)

"""A classifier after its first phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tl_keras.data.loaders import Loader
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.runs.run import Run
from tl_keras.runs.write import write_run
from tl_keras.training.spec import PhaseResult


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier after its first phase.

    Attributes:
        run: Its run, with the settings that were chosen.
        classifier: All of it.
        model: The part that takes the rows of `reported`: the classifier for images, its head for features.
        reported: The images or features of the reported split.
        result: How the training went.
    """

    run: Run
    classifier: Any
    model: Any
    reported: Loader
    result: PhaseResult

    def finish(self) -> EvaluationRecord:
        """Measure the classifier on the reported split, and write the files of its run."""
        return write_run(self.run, self.classifier, self.model, self.reported)

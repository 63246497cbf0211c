"""What a shipped model file says of itself, so that it can be used without the run that made it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Task

ENTRY = "tl_keras.json"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Class names and preprocessing of a model; travels inside every exported file.

    Attributes:
        labels: Class names in the order of the model's outputs.
        geometry: Input size in pixels and how images are brought to it.
        task: `multiclass` (softmax, probabilities sum to 1) or `multilabel` (sigmoid per class).
        phase: The training phase it came from, e.g. `1-head`.
    """

    labels: tuple[str, ...]
    geometry: Geometry
    task: Task = "multiclass"
    phase: str = ""

    def to_json(self) -> str:
        """Return this as a JSON document."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelInfo:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(tuple(fields["labels"]), Geometry(**fields["geometry"]), fields["task"], fields["phase"])

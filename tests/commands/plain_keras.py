"""Keras alone: what a program without tl_keras gets from a model file.

Run as a script with the paths of an image array (.npy) and of model files; prints a JSON list of
probabilities per file. It is run in another folder, and importing tl_keras fails in it.
"""

from __future__ import annotations

import json
import os
import sys


class NoTlKeras:
    """Refuses to find tl_keras."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if name.partition(".")[0] == "tl_keras":
            raise ModuleNotFoundError(f"No module named {name!r}")


def main() -> None:
    sys.meta_path.insert(0, NoTlKeras())  # type: ignore[arg-type]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    images = np.load(sys.argv[1])
    found = []
    for path in sys.argv[2:]:
        model = keras.saving.load_model(path)
        found.append(model.predict(images, verbose=0).tolist())
    assert not any(name.startswith("tl_keras") for name in sys.modules)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

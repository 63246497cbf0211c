from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.exporting.classifiers import LABELS, answers, small_info
from tests.images import encoded, noisy_image
from tl_keras.data.images.decode import decode

CODE = """
import json, sys
import numpy as np, tensorflow as tf
folder, pixels, files = sys.argv[1], np.load(sys.argv[2]), sys.argv[3:]
signatures = tf.saved_model.load(folder).signatures
by_pixels = signatures["serving_default"](images=tf.constant(pixels))["probabilities"]
answer = signatures["serve_bytes"](image_bytes=tf.constant([open(file, "rb").read() for file in files]))
print(json.dumps({
    "by_pixels": by_pixels.numpy().tolist(), "by_bytes": answer["probabilities"].numpy().tolist(),
    "labels": [[x.decode() for x in row] for row in answer["top_labels"].numpy()],
    "scores": answer["top_scores"].numpy().tolist(),
    "modules": [m for m in sys.modules if m.startswith("tl_keras")],
}))
"""


def test_works_with_nothing_but_tensorflow(shipped, tmp_path):
    classifier, paths = shipped
    files = [tmp_path / "a.jpg", tmp_path / "b.png"]
    files[0].write_bytes(encoded(noisy_image(1, (90, 70))))
    files[1].write_bytes(encoded(noisy_image(2, (20, 31)), "PNG"))
    pixels = np.stack([decode(str(file), small_info().geometry) for file in files])
    np.save(tmp_path / "pixels.npy", pixels)
    command = [sys.executable, "-c", CODE, str(paths["saved_model"]), "pixels.npy", *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    exact = answers(classifier, pixels)
    assert answer["modules"] == []
    np.testing.assert_allclose(answer["by_pixels"], exact, atol=1e-5)
    np.testing.assert_allclose(answer["by_bytes"], exact, atol=1e-5)
    np.testing.assert_allclose(answer["scores"], -np.sort(-exact), atol=1e-5)
    assert answer["labels"] == [[LABELS[i] for i in np.argsort(-row)] for row in exact]


@pytest.fixture(scope="module")
def loaded(shipped):
    return tf.saved_model.load(str(shipped[1]["saved_model"]))


def test_no_images_are_allowed(loaded):
    answer = loaded.signatures["serve_bytes"](image_bytes=tf.zeros([0], tf.string))
    assert answer["probabilities"].shape == (0, len(LABELS))
    assert answer["top_labels"].shape == (0, len(LABELS))


def test_signatures_are_named_as_documented(loaded):
    inputs = {
        name: list(signature.structured_input_signature[1]) for name, signature in loaded.signatures.items()
    }
    assert inputs == {"serving_default": ["images"], "serve_bytes": ["image_bytes"]}
    assert set(loaded.signatures["serve_bytes"].structured_outputs) == {
        "probabilities",
        "top_labels",
        "top_scores",
    }


def test_what_is_no_image_is_an_error(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["serve_bytes"](image_bytes=tf.constant([b"hello"]))

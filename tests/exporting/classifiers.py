"""A small classifier of the same build as the real ones, and images for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.types import Task
from tl_keras.exporting.onnx import export_onnx
from tl_keras.exporting.saved_model import export_saved_model
from tl_keras.exporting.tflite import export_tflite
from tl_keras.models.saved.keras_file import save_classifier

HEIGHT, WIDTH = 32, 24
LABELS = ("ant", "bee", "große Wespe")


def small_info(task: Task = "multiclass") -> ModelInfo:
    return ModelInfo(LABELS, Geometry(HEIGHT, WIDTH, "crop", 0.875), task)


def small_classifier(activation: str = "softmax", seed: int = 0) -> Any:
    """Return a classifier whose BatchNorms and weights are as uneven as those of trained ones."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="preprocessing")(image)
    features = keras.layers.GlobalAveragePooling2D()(_backbone()(scaled, training=False))
    dropped = keras.layers.Dropout(0.2)(features)
    outputs = keras.layers.Dense(len(LABELS), activation=activation, dtype="float32", name="probabilities")
    classifier = keras.Model(image, outputs(dropped))
    _make_uneven(classifier, np.random.default_rng(seed))
    _spread_classes(classifier)
    return classifier


def images(n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return n smooth RGB images that differ widely in colour and brightness."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, HEIGHT // 8, WIDTH // 8, 3))
    fine = np.kron(coarse, np.ones((1, 8, 8, 1))) + rng.normal(0, 10, (n, HEIGHT, WIDTH, 3))
    return np.clip(fine, 0, 255).astype(np.uint8)


def answers(classifier: Any, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(classifier(pixels, training=False), np.float32)


def _backbone() -> Any:
    layers = keras.layers
    pixels = x = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(32, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    # LiteRT leaves weights of fewer than 1024 numbers as they are.
    x = layers.Conv2D(64, 1, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    return keras.Model(pixels, x, name="backbone")


def _make_uneven(classifier: Any, rng: np.random.Generator) -> None:
    for layer in classifier.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            spread = [rng.uniform(0.5, 2.0, channels), rng.normal(0, 0.5, channels)]
            layer.set_weights([*spread, rng.normal(0, 0.1, channels), rng.uniform(0.05, 0.5, channels)])


def _spread_classes(classifier: Any) -> None:
    """Scale the head so that different images get different classes."""
    head = classifier.get_layer("probabilities")
    features = keras.Model(classifier.input, head.input)(images(64, seed=99)).numpy()
    logits = features @ head.get_weights()[0]
    kernel = head.get_weights()[0] * 2 / logits.std(0)
    head.set_weights([kernel, -(features @ kernel).mean(0)])


def ship(folder: Path) -> tuple[Any, dict[str, Path]]:
    """Export a small classifier in every form; return it and form -> path."""
    classifier, info = small_classifier(), small_info()
    paths = {
        "keras": folder / "model.keras",
        "saved_model": folder / "saved_model",
        "onnx": folder / "model.onnx",
        "tflite": folder / "model.tflite",
        "tflite-int8": folder / "model-int8.tflite",
    }
    save_classifier(classifier, info, paths["keras"])
    export_saved_model(classifier, info, paths["saved_model"])
    export_onnx(classifier, info, paths["onnx"])
    export_tflite(classifier, info, paths["tflite"])
    export_tflite(classifier, info, paths["tflite-int8"], "int8", images(50, seed=2))
    return classifier, paths

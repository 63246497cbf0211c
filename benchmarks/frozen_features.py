"""What is in Tiny's frozen features: ten images of each handwritten digit, and a logistic regression.

    python benchmarks/frozen_features.py

Pretrained and random weights, features as they are and standardised; five draws of the images, mean accuracy
on the others. The pixels themselves are there for comparison.
"""

from __future__ import annotations

import os
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode
from tl_keras.data.sources.digits import read_digits
from tl_keras.models.classifier import build_classifier

PER_CLASS, DRAWS, SIZE = 10, 5, 32


def features(pixels: np.ndarray, weights: str) -> np.ndarray:
    keras.utils.set_random_seed(0)
    model = ModelConfig(backbone="Tiny", weights=weights)
    classifier = build_classifier(model, HeadConfig(), image_size=SIZE, classes=2, task="multiclass")
    return keras.Model(classifier.input, classifier.get_layer("pooling").output).predict(pixels, verbose=0)


def accuracy(found: np.ndarray, labels: np.ndarray, *, standardized: bool) -> float:
    scores = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        of = [rng.permutation(np.flatnonzero(labels == label))[:PER_CLASS] for label in np.unique(labels)]
        chosen = np.concatenate(of)
        others = np.setdiff1d(np.arange(len(labels)), chosen)
        model = LogisticRegression(C=1 if standardized else 10, max_iter=2000)
        fitted = make_pipeline(*([StandardScaler()] if standardized else []), model)
        fitted.fit(found[chosen], labels[chosen])
        scores.append(fitted.score(found[others], labels[others]))
    return statistics.mean(scores)


def main() -> None:
    examples = read_digits().examples
    pixels = np.stack([decode(example.path, Geometry(SIZE, SIZE)) for example in examples])
    labels = np.array([example.label for example in examples])
    for name, found in (
        ("pretrained on CIFAR-10", features(pixels, "pretrained")),
        ("random weights", features(pixels, "none")),
        ("pixels", pixels.reshape(len(pixels), -1) / 255),
    ):
        plain, scaled = (accuracy(found, labels, standardized=flag) for flag in (False, True))
        print(f"{name:24} as they are {plain:.3f}   standardised {scaled:.3f}")


if __name__ == "__main__":
    main()

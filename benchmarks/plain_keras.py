"""The transfer-learning recipe of the Keras guide, as users type it: what `tlk` is measured against.

    KERAS_HOME=... python benchmarks/plain_keras.py DATA --epochs 10 [--backbone MobileNetV2] [--alpha 0.35]
        [--finetune BLOCK --finetune-epochs 5] [--seed 0]

The base is part of the model, so every image goes through it in every epoch; images are decoded by
`image_dataset_from_directory`, cached in memory and preprocessed in the model; Adam 1e-3 for the head, 1e-5
for the second phase. With --augment also the guide's random flip and rotation, in every epoch. DATA has class
folders, or train/ and val/ with those. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

BATCH_SIZE = 32


def main() -> None:
    options = read_options()
    keras.utils.set_random_seed(options.seed)
    started = time.perf_counter()
    train, val, classes = datasets(options)
    module = getattr(keras.applications, options.backbone)
    shape = (options.size, options.size, 3)
    arguments = {"alpha": options.alpha} if options.alpha else {}
    weights = None if options.weights == "none" else "imagenet"
    base = module(include_top=False, weights=weights, input_shape=shape, **arguments)
    base.trainable = False
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = keras.layers.Dense(classes, activation="softmax")(keras.layers.Dropout(0.2)(x))
    model = keras.Model(inputs, outputs)
    head = fit(model, train, val, 1e-3, options.epochs)
    found = {"head_seconds": head[0], "head_accuracy": head[1]}
    if options.finetune:
        base.trainable = True
        names = [layer.name for layer in base.layers]
        first = next(index for index, name in enumerate(names) if name.startswith(options.finetune))
        for layer in base.layers[:first]:
            layer.trainable = False
        tuned = fit(model, train, val, 1e-5, options.finetune_epochs)
        found |= {"finetune_seconds": tuned[0], "finetune_accuracy": tuned[1]}
    print(json.dumps(found | {"seconds": time.perf_counter() - started}))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backbone", default="MobileNetV2")
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--finetune", default="")
    parser.add_argument("--finetune-epochs", type=int, default=5)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def datasets(options: argparse.Namespace) -> tuple[tf.data.Dataset, tf.data.Dataset, int]:
    common = {"image_size": (options.size, options.size), "batch_size": BATCH_SIZE, "label_mode": "int",
              "seed": options.seed, "verbose": False}  # fmt: skip
    read = keras.utils.image_dataset_from_directory
    if (options.data / "train").is_dir():
        train = read(options.data / "train", **common)
        val = read(options.data / "val", **common)
    else:
        train, val = read(options.data, validation_split=0.2, subset="both", **common)
    classes = len(train.class_names)
    train, val = train.cache(), val.cache()
    if options.augment:
        layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]
        for layer in layers:
            train = train.map(lambda x, y, layer=layer: (layer(x, training=True), y), tf.data.AUTOTUNE)
    return train.prefetch(tf.data.AUTOTUNE), val.prefetch(tf.data.AUTOTUNE), classes


def fit(model: keras.Model, train: tf.data.Dataset, val: tf.data.Dataset, rate: float, epochs: int):
    started = time.perf_counter()
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, validation_data=val, epochs=epochs, verbose=0)
    return time.perf_counter() - started, history.history["val_accuracy"][-1]


if __name__ == "__main__":
    main()

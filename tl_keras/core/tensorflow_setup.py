"""What must be decided before TensorFlow is imported."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import ConfigError


def silence_tensorflow() -> None:
    """Keep TensorFlow's, absl's and Keras's own messages off the terminal; call before importing them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_DEPRECATION_WARNINGS", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    for name in ("tensorflow", "absl", "h5py", "tf2onnx", "onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(keras|tensorflow|tf2onnx|h5py)\b.*")


def import_tensorflow() -> None:
    """Import TensorFlow and Keras without a word from them.

    Their C++ part writes straight to the process's stderr while it is loaded, before any log level counts.

    Raises:
        ConfigError: The user chose another Keras backend than TensorFlow.
    """
    chosen = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if chosen != "tensorflow":
        raise ConfigError(f"tlk works on TensorFlow; found KERAS_BACKEND={chosen}. Unset it and try again.")
    if {"keras", "tensorflow"} <= {*sys.modules}:
        return
    silence_tensorflow()
    with suppress_native_output():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

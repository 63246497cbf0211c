"""Many heads trained side by side on the same features, each with its own rate, decay and held-out part.

The first layers of all heads are one matrix, so a step for all of them is one large product in place of many
small ones: forty linear heads take about as long as three would one after another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats = npt.NDArray[np.float32]

AT_ONCE = 1024
"""Rows that are measured together: their logits for all heads are in memory at once."""

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7  # Keras's Adam


@dataclass(frozen=True, slots=True)
class BankData:
    """What all heads of a bank learn.

    Attributes:
        features: float32 [n, D].
        targets: float32 [n, classes], one-hot or multi-hot.
        multilabel: Whether classes are independent of each other (sigmoid), or one is right (softmax).
        batch_size: Rows per step.
        epochs: Passes over the rows.
        seed: Decides initial weights, order and dropout.
    """

    features: Floats
    targets: Floats
    multilabel: bool
    batch_size: int
    epochs: int
    seed: int


def train_bank(
    data: BankData,
    *,
    hidden: int,
    dropout: float,
    rates: Floats,
    decays: Floats,
    trained_on: Floats,
    held_out: Floats,
) -> tuple[Floats, Floats]:
    """Train G heads with Adam and decoupled weight decay, their rates falling to zero along half a cosine.

    Args:
        data: What they learn.
        hidden: Width of a hidden layer with ReLU; 0 for none.
        dropout: Rate before every dense layer.
        rates: float32 [G], learning rates.
        decays: float32 [G], weight decays of kernels.
        trained_on: float32 [G, n], the weight of a row in a head's training; 0 for none.
        held_out: float32 [G, n], its weight in the measurement.

    Returns:
        Mean loss and accuracy on the held-out rows in the end, each float32 [G].
    """
    heads = _Heads(data, hidden, dropout, rates, decays, trained_on, held_out)
    order = np.random.default_rng(data.seed)
    for _ in range(data.epochs):
        rows = order.permutation(len(data.features))
        for start in range(0, len(rows), data.batch_size):
            heads.step(tf.constant(rows[start : start + data.batch_size]))
    return heads.measured()


class _Heads(tf.Module):
    def __init__(
        self,
        data: BankData,
        hidden: int,
        dropout: float,
        rates: Floats,
        decays: Floats,
        trained_on: Floats,
        held_out: Floats,
    ) -> None:
        self._features, self._targets = tf.constant(data.features), tf.constant(data.targets)
        self._multilabel, self._dropout, self._seed = data.multilabel, dropout, data.seed
        self._weights, self._held_out = tf.constant(trained_on.T), tf.constant(held_out.T)
        self._rates, self._decays = (tf.constant(v, tf.float32)[:, None] for v in (rates, decays))
        width, classes, heads = data.features.shape[1], data.targets.shape[1], len(rates)
        # Kernels are [inputs, G, outputs], biases [G, outputs].
        sizes = [(width, hidden), (hidden, classes)] if hidden else [(width, classes)]
        kernels = [tf.zeros([sizes[-1][0], heads, classes])]
        if hidden:
            kernels.insert(0, _glorot(width, hidden, heads, data.seed))
        self._kernels = [tf.Variable(kernel) for kernel in kernels]
        self._biases = [tf.Variable(tf.zeros([heads, outputs])) for _, outputs in sizes]
        weights = [*self._kernels, *self._biases]
        self._moments = [[tf.Variable(tf.zeros_like(w)) for w in weights] for _ in range(2)]
        self._steps = tf.Variable(0, dtype=tf.int64)
        self._all_steps = data.epochs * math.ceil(len(data.features) / data.batch_size)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(self, rows: tf.Tensor) -> None:
        self._steps.assign_add(1)
        shares = tf.gather(self._weights, rows)
        with tf.GradientTape() as tape:
            logits = self._logits(tf.gather(self._features, rows), dropout=self._dropout)
            losses = self._losses(logits, tf.gather(self._targets, rows)) * shares
            loss = tf.reduce_sum(tf.math.divide_no_nan(tf.reduce_sum(losses, 0), tf.reduce_sum(shares, 0)))
        weights = [*self._kernels, *self._biases]
        progress = tf.cast(self._steps, tf.float32) / self._all_steps
        rates = self._rates * (1 + tf.cos(np.pi * progress)) / 2
        for kernel in self._kernels:
            kernel.assign(kernel * (1 - rates * self._decays))
        for weight, gradient, mean, square in zip(
            weights, tape.gradient(loss, weights), *self._moments, strict=True
        ):
            self._adam(weight, gradient, mean, square, rates)

    def measured(self) -> tuple[Floats, Floats]:
        """Return loss and accuracy on the held-out rows, each float32 [G]."""
        rows = np.arange(len(self._features))
        parts = [self._sums(tf.constant(rows[i : i + AT_ONCE])) for i in range(0, len(rows), AT_ONCE)]
        losses, right, weight = (np.sum([part[k].numpy() for part in parts], axis=0) for k in range(3))
        # Rows of classes that weigh nothing say nothing: 0 for all heads alike.
        weight = np.where(weight > 0, weight, 1)
        return losses / weight, right / weight

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _sums(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        logits = self._logits(tf.gather(self._features, rows), dropout=0.0)
        targets, weights = tf.gather(self._targets, rows), tf.gather(self._held_out, rows)
        if self._multilabel:
            right = tf.reduce_all((logits >= 0) == (targets[:, None, :] > 0), -1)
        else:
            right = tf.argmax(logits, -1) == tf.argmax(targets, -1)[:, None]
        sums = [self._losses(logits, targets) * weights, tf.cast(right, tf.float32) * weights, weights]
        losses, right, weight = (tf.reduce_sum(values, 0) for values in sums)
        return losses, right, weight

    def _logits(self, x: tf.Tensor, dropout: float) -> tf.Tensor:
        """Return [n, G, classes]."""
        for layer, (kernel, bias) in enumerate(zip(self._kernels, self._biases, strict=True)):
            if dropout:
                seed = tf.stack([self._steps, tf.constant(self._seed + layer, tf.int64)])
                x = tf.nn.experimental.stateless_dropout(x, dropout, seed)
            if layer == 0:
                flat = tf.matmul(x, tf.reshape(kernel, [kernel.shape[0], -1]))
                x = tf.reshape(flat, [-1, *kernel.shape[1:]]) + bias
            else:
                x = tf.einsum("ngh,hgc->ngc", tf.nn.relu(x), kernel) + bias
        return x

    def _losses(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return [n, G]."""
        targets = tf.broadcast_to(targets[:, None, :], tf.shape(logits))
        if self._multilabel:
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), -1)
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    def _adam(self, weight: Any, gradient: tf.Tensor, mean: Any, square: Any, rates: tf.Tensor) -> None:
        step = tf.cast(self._steps, tf.float32)
        correction = tf.sqrt(1 - _BETA2**step) / (1 - _BETA1**step)
        mean.assign(mean + (gradient - mean) * (1 - _BETA1))
        square.assign(square + (gradient**2 - square) * (1 - _BETA2))
        weight.assign_sub(rates * correction * mean / (tf.sqrt(square) + _EPSILON))


def _glorot(inputs: int, outputs: int, heads: int, seed: int) -> tf.Tensor:
    """Return a Glorot-uniform kernel as of Keras's Dense, the same for each head: [inputs, G, outputs]."""
    limit = (6 / (inputs + outputs)) ** 0.5
    one = tf.random.stateless_uniform([inputs, 1, outputs], [seed, 0], -limit, limit)
    return tf.repeat(one, heads, axis=1)

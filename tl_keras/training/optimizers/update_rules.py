"""Keras's update rules, with a rate and a decay of its own for every variable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

NOT_PER_VARIABLE = ("iteration", "learning_rate", "joined")
"""The variables of an optimizer that do not belong to one variable of the model."""

_distribute = tf.__internal__.distribute


class PerVariable(keras.optimizers.Optimizer):
    """A mixin for Keras optimizers, which goes before the update rule in the list of bases.

    Every variable learns at its own rate, the optimizer's times a factor, and shrinks in proportion to that
    rate, apart from the gradient (decoupled decay, Loshchilov & Hutter 2019), which Keras's `weight_decay`
    cannot do. Anchored variables are drawn towards what they were when the optimizer was built, instead of
    zero (L2-SP, Li, Grandvalet & Davoine 2018); where that was is part of the optimizer's state. Vectors do
    neither: biases, and the parameters of normalization layers.

    Some of what Keras does is put right: gradients are summed over the replicas before they are clipped and
    before they are accumulated (Keras clips those of each replica, and cannot accumulate under
    `tf.distribute` at all), and with accumulation the average of the weights (`use_ema`) moves, and the
    schedule counts, only when the weights change.

    Args:
        learning_rate: A number or a schedule.
        factors: Path of a variable -> its rate as a multiple of `learning_rate`; others learn at 1.
        kernel_decay: Decay towards zero per unit of rate.
        anchored: Paths of variables that decay towards their start instead, where `l2_sp` is not 0.
        l2_sp: Decay towards the start per unit of rate.
        options: Of the update rule.
    """

    def __init__(
        self,
        learning_rate: Any,
        *,
        factors: Mapping[str, float] | None = None,
        kernel_decay: float = 0.0,
        anchored: Collection[str] = (),
        l2_sp: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.factors = dict(factors or {})
        self.kernel_decay = kernel_decay
        self.anchored = sorted(anchored)
        self.l2_sp = l2_sp

    def build(self, variables: Sequence[Any]) -> None:
        """Make the slots of the variables.

        Raises:
            ValueError: Two variables have the same path.
        """
        if self.built:
            return
        paths = [variable.path for variable in variables]
        if len(set(paths)) < len(paths):
            twice = next(path for path in paths if paths.count(path) > 1)
            raise ValueError(f"Two variables are called {twice}, and rates go by that name.")
        super().build(variables)
        self._own_factors = [self.factors.get(path, 1.0) for path in paths]
        self._starts = [self._start(variable) for variable in variables]
        self._decays = [
            0.0 if _spared(variable) else self.kernel_decay if start is None else self.l2_sp
            for variable, start in zip(variables, self._starts, strict=True)
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Shrink and move one variable; under `tf.distribute` it is the copy on one device."""
        index = self._get_variable_index(variable)
        rate = keras.ops.cast(learning_rate, variable.dtype) * self._own_factors[index]
        if self._decays[index]:
            start = self._starts[index]
            excess = variable if start is None else keras.ops.subtract(variable, start)
            self.assign_sub(variable, rate * self._decays[index] * excess)
        super().update_step(gradient, variable, rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make such an optimizer."""
        return super().get_config() | {
            "factors": dict(self.factors),
            "kernel_decay": self.kernel_decay,
            "anchored": list(self.anchored),
            "l2_sp": self.l2_sp,
        }

    def _start(self, variable: Any) -> Any:
        if not self.l2_sp or variable.path not in self.anchored or _spared(variable):
            return None
        start = self.add_variable_from_reference(variable, name="start")
        start.assign(variable)
        return start

    def _get_current_learning_rate(self) -> Any:
        """Keras's, but schedules count updates, not steps."""
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    def _backend_apply_gradients(self, grads: Sequence[Any], trainable_variables: Sequence[Any]) -> None:
        pairs = self._all_reduce_sum_gradients(zip(grads, trainable_variables, strict=True))
        gradients = [gradient for gradient, _ in pairs]
        every = self.gradient_accumulation_steps
        if not every:
            self._update(gradients, trainable_variables)
            return
        sums = [self._accumulated_gradients[self._get_variable_index(v)] for v in trainable_variables]
        for total, gradient in zip(sums, gradients, strict=True):
            self.assign_add(total, gradient)

        def update() -> None:
            self._update([total / every for total in sums], trainable_variables)
            self._backend_reset_gradient_accumulators()

        self._every(every, update)

    def _every(self, steps: int, action: Callable[[], None]) -> None:
        """Do `action` in one of so many steps.

        Under `tf.distribute` a condition inside a replica may not lead to where replicas meet, as the update
        does. So the condition is around the replicas, as in Keras's LossScaleOptimizer.
        """

        def across(strategy: Any) -> None:
            condition(lambda: strategy.extended.call_for_each_replica(action))

        def condition(then: Callable[[], None]) -> None:
            keras.ops.cond((self._iterations + 1) % steps == 0, then, lambda: None)

        if _distribute.strategy_supports_no_merge_call():
            condition(action)
        else:
            tf.distribute.get_replica_context().merge_call(across)

    def _update(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        """Change the weights once; the gradients are those of all replicas."""
        self._backend_update_step(self._clip_gradients(gradients), variables, self.learning_rate)
        if self.use_ema:
            self._update_model_variables_moving_average(self._trainable_variables)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Keras's without the sum over the replicas, which has been taken."""
        _distribute.interim.maybe_merge_call(
            self._distributed_tf_update_step,
            self._distribution_strategy,
            [
                (gradient, variable.value)
                for gradient, variable in zip(grads, trainable_variables, strict=True)
            ],
            learning_rate,
        )


class LateAdam(keras.optimizers.Adam):
    """Adam whose bias correction counts from the update at which a variable joined.

    Keras corrects by the number of all updates. Moments that are zero in a long training would be taken for
    settled ones, and the first steps of their variable would be up to 6 times too long.
    """

    def build(self, variables: Sequence[Any]) -> None:
        """Make the slots of the variables, which all join at update 0; see `carry_over`."""
        if self.built:
            return
        super().build(variables)
        self.joined = self.add_variable((len(variables),), dtype="int", name="joined")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable; under `tf.distribute` it is the copy on one device."""
        steps = self.iterations + 1
        own_steps = steps - self.joined[self._get_variable_index(variable)]
        correction = self._correction(own_steps, variable.dtype) / self._correction(steps, variable.dtype)
        super().update_step(gradient, variable, learning_rate * correction)

    def _correction(self, steps: Any, dtype: Any) -> Any:
        """Return Adam's bias correction of the rate, after Kingma & Ba 2015, section 2."""
        first, second = (
            1 - keras.ops.power(keras.ops.cast(beta, dtype), keras.ops.cast(steps, dtype))
            for beta in (self.beta_1, self.beta_2)
        )
        return keras.ops.sqrt(second) / first


registered = keras.saving.register_keras_serializable(package="tl_keras")


@registered
class SGD(PerVariable, keras.optimizers.SGD):
    """Gradient descent with momentum."""


@registered
class Adam(PerVariable, LateAdam):
    """Adam; with `kernel_decay` it is AdamW."""


@registered
class RMSprop(PerVariable, keras.optimizers.RMSprop):
    """RMSprop with momentum."""


@registered
class Lion(PerVariable, keras.optimizers.Lion):
    """Lion, of Chen et al. 2023."""


def carry_over(old: Any, new: Any) -> None:
    """Let an optimizer resume where another one ended, on more, fewer or other variables.

    Variables that both know, by path, keep their slots: moments, accumulated gradients, the start that L2-SP
    draws them to. Others begin with moments of zero. Averages begin at what the variables are now, which may
    be the best weights so far. The learning rate is not taken over.

    Args:
        old: A built optimizer of `make_optimizer`, as it was left by the training.
        new: One made of the same settings, built on the variables that train from now on. Either may be
            inside Keras's LossScaleOptimizer, but then both are.
    """
    assert old.built and new.built
    if hasattr(old, "inner_optimizer"):
        new.step_counter.assign(old.step_counter)
        new.dynamic_scale.assign(old.dynamic_scale)
        old, new = old.inner_optimizer, new.inner_optimizer
    new._iterations.assign(old._iterations)
    slots = {slot.name: slot for slot in old.variables}
    for slot in new.variables:
        # Keras names a slot after its variable's path and its kind.
        if slot.name in slots and slot.name not in NOT_PER_VARIABLE:
            slot.assign(slots[slot.name])
    if new.use_ema:
        averages = new._model_variables_moving_average
        for variable, average in zip(new._trainable_variables, averages, strict=True):
            average.assign(variable)
    if isinstance(new, LateAdam):
        joined = dict(zip(_paths(old), keras.ops.convert_to_numpy(old.joined).tolist(), strict=True))
        now = int(new.iterations)
        new.joined.assign([joined.get(path, now) for path in _paths(new)])


def _spared(variable: Any) -> bool:
    """Return whether it never decays: biases, and what scales and shifts channels, which are all vectors.

    Names would not do: the scales of ConvNeXt's blocks have none of their own.
    """
    return len(variable.shape) < 2


def _paths(optimizer: Any) -> list[str]:
    return [variable.path for variable in optimizer._trainable_variables]

"""Rates, decay and accumulation per variable; optimizers that are restored, and that go on with others."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.distributed.test_devices import run_python
from tl_keras.config.schema import PhaseConfig, ScheduleConfig
from tl_keras.training.optimizers.factory import UPDATE_RULES, make_optimizer
from tl_keras.training.optimizers.update_rules import carry_over

CONSTANT = ScheduleConfig(kind="constant")
RULES = pytest.mark.parametrize("rule", UPDATE_RULES)
KERNEL, BIAS = "net/below/kernel", "net/below/bias"
EVERYTHING = {"factors": {KERNEL: 0.3}, "anchored": [KERNEL], "l2_sp": 0.2, "weight_decay": 0.1, "ema": 0.9}


def network() -> keras.Model:
    """Return a network of two dense layers, `below` and `above`, with random but always the same weights."""
    keras.utils.set_random_seed(0)
    below = keras.layers.Dense(5, "tanh", bias_initializer="random_normal", name="below")
    above = keras.layers.Dense(3, "softmax", bias_initializer="random_normal", name="above")
    return keras.Sequential([keras.Input([4]), below, above], name="net")


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, count)
    return random.normal(size=(count, 4)).astype("float32"), np.eye(3, dtype="float32")[classes]


def optimizer(rule: str, *, steps=6, factors=None, anchored=(), l2_sp=0.0, **settings):
    settings = {"learning_rate": 0.1, "schedule": CONSTANT} | settings
    phase = PhaseConfig(optimizer=rule, **settings)
    return make_optimizer(phase, steps, epochs=1, factors=factors, anchored=anchored, l2_sp=l2_sp)


def gradients(variables, step: int) -> list[np.ndarray]:
    """Return made-up gradients, others in every step, which depend on the variable alone."""
    seeds = [[step, *variable.path.encode()] for variable in variables]
    return [
        np.random.default_rng(seed).normal(size=variable.shape).astype("float32")
        for seed, variable in zip(seeds, variables, strict=True)
    ]


def train(optimizer, variables, steps) -> None:
    for step in steps:
        optimizer.apply(gradients(variables, step), variables)


def idle(optimizer, variables) -> None:
    """Take a step with gradients of zero."""
    optimizer.apply([np.zeros(variable.shape, "float32") for variable in variables], variables)


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def assert_same(left, right) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_close(left, right, rtol=1e-4) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 100)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_of_sgd_is_each_ones_own_rate_times_its_gradient(momentum):
    model, (x, y) = network(), examples(8)
    factors = {KERNEL: 0.25, BIAS: 0.5, "net/above/kernel": 3.0}
    model.compile(optimizer("sgd", momentum=momentum, factors=factors), "categorical_crossentropy")
    before = values(model.trainable_variables)
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.losses.categorical_crossentropy(y, model(x)))
    expected = tape.gradient(loss, model.trainable_variables)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    for variable, start, gradient in zip(model.trainable_variables, before, expected, strict=True):
        rate = 0.1 * factors.get(variable.path, 1.0)
        np.testing.assert_allclose(variable.numpy(), start - rate * gradient.numpy(), rtol=1e-5, atol=1e-7)


@RULES
def test_a_factor_scales_what_a_variable_moves_by(rule):
    moved = {}
    for factor in (1.0, 0.25):
        variables = network().trainable_variables
        before = values(variables)
        made = optimizer(rule, factors={KERNEL: factor, BIAS: factor}, weight_decay=1e-9)
        train(made, variables, range(3))
        moved[factor] = [now - then for now, then in zip(values(variables), before, strict=True)]
    for index, (slow, fast) in enumerate(zip(moved[0.25], moved[1.0], strict=True)):
        np.testing.assert_allclose(slow, fast * (0.25 if index < 2 else 1), rtol=1e-3, atol=1e-6)


@RULES
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_decay_goes_by_the_own_rate_and_spares_biases(rule, decay):
    variables = network().trainable_variables
    below, below_bias, above, above_bias = values(variables)
    idle(optimizer(rule, factors={KERNEL: 0.25, BIAS: 0.25}, weight_decay=decay), variables)
    decay = 0.004 if rule == "adamw" and not decay else decay
    expected = [below * (1 - 0.025 * decay), below_bias, above * (1 - 0.1 * decay), above_bias]
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6)


@RULES
def test_anchored_kernels_are_drawn_to_their_start_and_the_rest_to_zero(rule):
    variables = network().trainable_variables
    starts = values(variables)
    made = optimizer(rule, factors={KERNEL: 0.25}, anchored=[KERNEL, BIAS], l2_sp=0.8, weight_decay=0.5)
    made.build(variables)
    for variable in variables:
        variable.assign_add(keras.ops.ones_like(variable))
    idle(made, variables)
    below, below_bias, above, above_bias = values(variables)
    np.testing.assert_allclose(below, starts[0] + 1 - 0.025 * 0.8, rtol=1e-5)
    np.testing.assert_allclose(above, (starts[2] + 1) * (1 - 0.1 * 0.5), rtol=1e-5)
    assert_same([below_bias, above_bias], [starts[1] + 1, starts[3] + 1])


def test_without_l2_sp_anchored_kernels_decay_as_all_do():
    variables = network().trainable_variables
    before = values(variables)[0]
    idle(optimizer("sgd", anchored=[KERNEL], weight_decay=0.5), variables)
    np.testing.assert_allclose(variables[0].numpy(), before * 0.95, rtol=1e-6)


def test_decay_spares_what_scales_channels():
    scales = keras.Variable(np.ones(3, "float32"), name="variable")
    idle(optimizer("sgd", weight_decay=0.5), [scales])
    assert (scales.numpy() == 1).all()


def test_two_variables_of_one_name_are_refused():
    variables = [keras.Variable(np.ones(1, "float32"), name="twin") for _ in range(2)]
    with pytest.raises(ValueError, match="twin"):
        optimizer("sgd").build(variables)


@RULES
def test_three_steps_accumulated_are_one_with_the_mean_of_their_gradients(rule):
    settings = EVERYTHING | {"clip_norm": 3.7, "schedule": ScheduleConfig(kind="one_cycle")}
    small, large = network().trainable_variables, network().trainable_variables
    parts, whole = optimizer(rule, steps=12, accumulate=3, **settings), optimizer(rule, steps=4, **settings)
    train(parts, small, range(12))
    norms = []
    for update in range(4):
        steps = [gradients(large, 3 * update + step) for step in range(3)]
        means = [sum(each) / 3 for each in zip(*steps, strict=True)]
        norms.append(np.sqrt(sum((mean**2).sum() for mean in means)))
        whole.apply(means, large)
    assert min(norms) < 3.7 < max(norms)  # some are clipped, some are not
    assert_close(values(small), values(large))
    assert_close(values(parts._model_variables_moving_average), values(whole._model_variables_moving_average))


def test_training_with_accumulation_is_training_with_larger_batches():
    x, y = examples(36)
    weights = []
    for batch, accumulate in ((12, 1), (4, 3)):
        model = network()
        made = optimizer(
            "sgd", steps=36 // batch, accumulate=accumulate, schedule=ScheduleConfig(kind="cosine")
        )
        model.compile(made, "categorical_crossentropy")
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    assert_close(*weights)


def test_nothing_moves_between_two_updates():
    variables = network().trainable_variables
    made = optimizer("adam", accumulate=3, ema=0.5, weight_decay=0.1)
    made.build(variables)
    seen = []
    for step in range(6):
        train(made, variables, [step])
        seen.append(
            np.concatenate([a.numpy().ravel() for a in [*variables, *made._model_variables_moving_average]])
        )
    moved = [bool((now != then).any()) for then, now in pairwise(seen)]
    assert moved == [False, True, False, False, True]


def test_the_norm_is_limited_over_all_weights():
    variables = network().trainable_variables
    before = values(variables)
    train(optimizer("sgd", momentum=0.0, clip_norm=0.3), variables, [0])
    moved = [now - then for now, then in zip(values(variables), before, strict=True)]
    assert np.sqrt(sum((part**2).sum() for part in moved)) == pytest.approx(0.1 * 0.3, rel=1e-4)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [*((rule, "one_cycle") for rule in UPDATE_RULES), ("sgd", "constant"), ("sgd", "cosine")],
)
def test_a_restored_optimizer_goes_on_to_the_bit(rule, kind):
    settings = EVERYTHING | {"accumulate": 2, "clip_norm": 1.0, "schedule": ScheduleConfig(kind=kind)}
    whole = network().trainable_variables
    train(optimizer(rule, **settings), whole, range(6))

    variables = network().trainable_variables
    stopped = optimizer(rule, **settings)
    train(stopped, variables, range(3))
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(stopped))
    restored.build(variables)
    for variable, value in zip(restored.variables, values(stopped.variables), strict=True):
        variable.assign(value)
    train(restored, variables, range(3, 6))
    assert type(restored) is type(stopped)
    assert_same(values(variables), values(whole))


@RULES
@pytest.mark.parametrize("accumulate", [1, 2])
def test_old_variables_go_on_to_the_bit_when_others_join(rule, accumulate):
    settings = EVERYTHING | {"anchored": ["net/above/kernel"], "accumulate": accumulate}
    uninterrupted = network().trainable_variables[2:]
    never_stopped = optimizer(rule, **settings)
    train(never_stopped, uninterrupted, range(6))

    variables = network().trainable_variables
    old, new = optimizer(rule, **settings), optimizer(rule, **settings)
    train(old, variables[2:], range(3))
    new.build(variables)
    carry_over(old, new)
    train(new, variables, range(3, 6))
    assert_same(values(variables[2:]), values(uninterrupted))


@RULES
def test_variables_can_leave(rule):
    variables, staying = network().trainable_variables, network().trainable_variables[:2]
    old, new = optimizer(rule, **EVERYTHING), optimizer(rule, **EVERYTHING)
    train(old, variables, range(3))
    new.build(variables[:2])
    carry_over(old, new)
    train(new, variables[:2], range(3, 6))
    train(optimizer(rule, **EVERYTHING), staying, range(6))
    assert_same(values(variables[:2]), values(staying))


@pytest.mark.parametrize("rule", ["adam", "adamw"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_who_joins_late_makes_the_steps_of_a_fresh_adam(rule, accumulate):
    settings = {"accumulate": accumulate, "weight_decay": 0.1}
    fresh = network().trainable_variables[:2]
    train(optimizer(rule, **settings), fresh, range(20, 26))

    variables = network().trainable_variables
    old, new = optimizer(rule, **settings), optimizer(rule, **settings)
    train(old, variables[2:], range(20))
    new.build(variables)
    carry_over(old, new)
    train(new, variables, range(20, 23))
    # When it joined is known to those that come after: a restored one, and one of a third stage.
    restored, third = optimizer(rule, **settings), optimizer(rule, **settings)
    restored.build(variables)
    for variable, value in zip(restored.variables, values(new.variables), strict=True):
        variable.assign(value)
    third.build(variables[:2])
    carry_over(restored, third)
    train(third, variables[:2], range(23, 26))
    for late, early in zip(variables[:2], fresh, strict=True):
        np.testing.assert_allclose(late.numpy(), early.numpy(), rtol=1e-5, atol=1e-6)


def test_averages_start_where_the_weights_are():
    variables = network().trainable_variables
    old, new = optimizer("sgd", ema=0.9), optimizer("sgd", ema=0.9)
    train(old, variables[2:], range(3))
    new.build(variables)
    before = values(variables)
    carry_over(old, new)
    assert_same(values(new._model_variables_moving_average), before)
    train(new, variables, [3])
    averages = new._model_variables_moving_average
    for average, then, now in zip(averages, before, values(variables), strict=True):
        np.testing.assert_allclose(average.numpy(), 0.9 * then + 0.1 * now, rtol=1e-5)


def test_carrying_over_inside_loss_scaling():
    variables = network().trainable_variables
    old, new = (keras.optimizers.LossScaleOptimizer(optimizer("adam"), initial_scale=s) for s in (8.0, 2.0))
    train(old, variables[2:], range(3))
    new.build(variables)
    carry_over(old, new)
    assert float(new.dynamic_scale) == 8 and int(new.step_counter) == 3 and int(new.iterations) == 3
    assert list(new.inner_optimizer.joined.numpy()) == [3, 3, 0, 0]
    assert_same(values(new.inner_optimizer._momentums[2:]), values(old.inner_optimizer._momentums))


TWO_DEVICES = """
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import keras
    from tests.training.optimizers import test_update_rules as t
    from tl_keras.training.optimizers.update_rules import carry_over

    def trained(strategy, scaled):
        images = tf.data.Dataset.from_tensor_slices(t.examples(40)).batch(8)
        settings = t.EVERYTHING | {"accumulate": 2, "clip_norm": 0.1}
        old = None
        with strategy.scope():
            model = t.network()
            for unfrozen in (False, True):
                model.layers[0].trainable = unfrozen
                made = t.optimizer("adam", **settings)
                if scaled:
                    made = keras.optimizers.LossScaleOptimizer(made, initial_scale=16.0)
                model.compile(made, "categorical_crossentropy")
                made.build(model.trainable_variables)
                if old:
                    carry_over(old, made)
                model.fit(images, shuffle=False, verbose=0)
                old = made
        assert int(made.iterations) == 5
        return t.values(model.variables) + t.values(made.variables)

    one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    t.assert_close(trained(one, scaled=False), trained(two, scaled=False))
    keras.config.set_dtype_policy("mixed_float16")
    t.assert_close(trained(one, scaled=True), trained(two, scaled=True), rtol=0.05)
    print("same")
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_learns():
    assert run_python(TWO_DEVICES) == "same\n"

"""Schedules of rate and momentum in closed form, and SGD against PyTorch's."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from apr_jax import optimizers, schedules
from apr_jax.errors import UserError

PER_EPOCH = 3


def settings(
  name,
  warmup_epochs=0.0,
  boundaries_epochs=(60, 120, 160, 190),
  factor=0.2,
  peak_momentum=0.8,
):
  return types.SimpleNamespace(
    name=name,
    warmup_epochs=warmup_epochs,
    boundaries_epochs=boundaries_epochs,
    factor=factor,
    peak_momentum=peak_momentum,
  )


def rates(schedule_settings, peak, steps, per_epoch=PER_EPOCH):
  """The learning rate at each of the steps 0..steps-1, as the optimizer sees it: float64
  `[steps]`.
  """
  schedule = schedules.make_schedule(schedule_settings, peak, per_epoch, steps)
  return np.asarray(jax.vmap(schedule)(jnp.arange(steps)), np.float64)


def test_step_decay_is_the_papers():
  steps = np.arange(200 * PER_EPOCH)
  epochs = steps // PER_EPOCH
  expected = 0.1 * 0.2 ** sum((epochs >= boundary).astype(int) for boundary in (60, 120, 160, 190))
  np.testing.assert_allclose(rates(settings("step"), 0.1, len(steps)), expected, rtol=1e-5)


def test_step_decay_of_imagenet_at_fractional_epochs():
  wanted = settings("step", boundaries_epochs=(0.5, 1.5), factor=0.1)
  np.testing.assert_allclose(
    rates(wanted, 1.0, 8, per_epoch=4), [1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5
  )


def test_cosine_falls_from_the_peak_to_zero():
  steps = 30
  expected = 0.3 * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
  np.testing.assert_allclose(rates(settings("cosine"), 0.3, steps), expected, atol=1e-7)


@pytest.mark.parametrize("warmup_epochs", [1, 4, 9])
def test_cosine_with_warm_up_rises_linearly_and_then_falls(warmup_epochs):
  steps, warmup = 30, warmup_epochs * PER_EPOCH
  step = np.arange(steps)
  expected = np.where(
    step < warmup, step / warmup, (1 + np.cos(np.pi * (step - warmup) / (steps - warmup))) / 2
  )
  np.testing.assert_allclose(
    rates(settings("cosine", warmup_epochs), 0.2, steps), 0.2 * expected, atol=1e-7
  )


def test_constant_with_and_without_warm_up():
  np.testing.assert_allclose(rates(settings("constant"), 0.2, 8), 0.2, rtol=1e-6)
  np.testing.assert_allclose(
    rates(settings("constant", 1.0), 0.3, 6), [0, 0.1, 0.2, 0.3, 0.3, 0.3], rtol=1e-6
  )


def test_step_decay_with_warm_up():
  wanted = settings("step", 1.0, boundaries_epochs=(2,), factor=0.5)
  np.testing.assert_allclose(
    rates(wanted, 0.3, 9), [0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.15, 0.15, 0.15], rtol=1e-6
  )


def test_warm_up_of_a_fraction_of_an_epoch():
  np.testing.assert_allclose(
    rates(settings("constant", 0.5), 1.0, 4, per_epoch=4), [0, 0.5, 1, 1], rtol=1e-6
  )


def test_triangular_rises_from_zero_to_the_peak_and_falls_back():
  np.testing.assert_allclose(
    rates(settings("triangular"), 0.2, 8), [0, 0.05, 0.1, 0.15, 0.2, 0.15, 0.1, 0.05], atol=1e-7
  )
  # of an odd number of steps, half time lies between two
  np.testing.assert_allclose(
    rates(settings("triangular"), 0.5, 5), [0, 0.2, 0.4, 0.4, 0.2], atol=1e-7
  )


def test_the_momentum_falls_while_the_rate_rises():
  momentum = schedules.make_momentum(settings("triangular"), 0.9, PER_EPOCH, 4)
  np.testing.assert_allclose(
    [float(momentum(step)) for step in range(4)], [0.9, 0.85, 0.8, 0.85], rtol=1e-6
  )


@pytest.mark.parametrize(
  "name, momentum", [("step", 0.9), ("cosine", 0.9), ("constant", 0.0), ("triangular", 0.0)]
)
def test_where_nothing_cycles_the_momentum_is_a_number(name, momentum):
  assert schedules.make_momentum(settings(name), momentum, PER_EPOCH, 12) == momentum


def test_a_schedule_takes_the_host_number_and_the_device_one_alike():
  schedule = schedules.make_schedule(settings("cosine", 1.0), 0.1, PER_EPOCH, 30)
  for step in (0, 2, 3, 17):
    assert float(schedule(step)) == pytest.approx(
      float(jax.jit(schedule)(jnp.int32(step))), rel=1e-6
    )


def test_a_negative_warm_up_is_refused():
  with pytest.raises(UserError, match=r"schedule.warmup_epochs must not be negative, got -1"):
    rates(settings("constant", -1.0), 0.1, 3)


def test_unknown_names_list_the_known_ones():
  with pytest.raises(UserError, match="unknown schedule.name 'cosin'; did you mean 'cosine'?"):
    rates(settings("cosin"), 0.1, 3)
  with pytest.raises(UserError, match="unknown optimizer.name 'sdg'.*sgd"):
    optimizers.make_optimizer(types.SimpleNamespace(name="sdg"), optax.constant_schedule(0.1))


@pytest.mark.parametrize(
  "momentum, nesterov, weight_decay",
  [(0.9, True, 5e-4), (0.9, False, 1e-4), (0.9, True, 0.1), (0.0, False, 0.05), (0.9, True, 0.0)],
)
def test_sgd_is_torchs_while_the_rate_changes(momentum, nesterov, weight_decay):
  torch = pytest.importorskip("torch")
  random = np.random.default_rng(0)

  def draw():
    return {
      "kernel": random.normal(size=(4, 3)).astype(np.float32),
      "bias": random.normal(size=3).astype(np.float32),
    }

  params = draw()
  wanted = settings("step", 1.0, boundaries_epochs=(2, 3), factor=0.2)
  schedule = schedules.make_schedule(wanted, 0.5, PER_EPOCH, 12)
  ours = optimizers.make_optimizer(
    types.SimpleNamespace(
      name="sgd", momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    ),
    schedule,
  )
  state = ours.init(params)
  tensors = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in params.items()}
  theirs = torch.optim.SGD(
    tensors.values(), lr=0.5, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
  )
  for rate in rates(wanted, 0.5, 12):
    gradients = draw()
    updates, state = ours.update(gradients, state, params)
    params = optax.apply_updates(params, updates)
    theirs.param_groups[0]["lr"] = rate
    for name, tensor in tensors.items():
      tensor.grad = torch.tensor(gradients[name])
    theirs.step()
    for name, tensor in tensors.items():
      np.testing.assert_allclose(params[name], tensor.detach(), rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("steps", [20, 21])
def test_sgd_with_cycled_momentum_is_torchs_with_its_cyclic_schedule(nesterov, steps):
  torch = pytest.importorskip("torch")
  curvature = np.float32([1.0, 4.0, 0.25])
  start = np.float32([1.0, -2.0, 3.0])

  wanted = settings("triangular", peak_momentum=0.7)
  ours = optimizers.make_optimizer(
    types.SimpleNamespace(name="sgd", momentum=0.95, nesterov=nesterov, weight_decay=0.01),
    schedules.make_schedule(wanted, 0.2, PER_EPOCH, steps),
    schedules.make_momentum(wanted, 0.95, PER_EPOCH, steps),
  )
  params, state = start, ours.init(start)

  weight = torch.nn.Parameter(torch.tensor(start))
  theirs = torch.optim.SGD([weight], lr=0.2, momentum=0.95, nesterov=nesterov, weight_decay=0.01)
  cycle = torch.optim.lr_scheduler.CyclicLR(
    theirs,
    base_lr=0.0,
    max_lr=0.2,
    step_size_up=steps / 2,
    step_size_down=steps / 2,
    base_momentum=0.7,
    max_momentum=0.95,
  )
  for _ in range(steps):
    updates, state = ours.update(curvature * params, state, params)
    params = optax.apply_updates(params, updates)
    theirs.zero_grad()
    (0.5 * torch.tensor(curvature) * weight**2).sum().backward()
    theirs.step()
    cycle.step()
    np.testing.assert_allclose(params, weight.detach(), rtol=1e-5, atol=1e-6)
  assert np.abs(params - start).max() > 0.5


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_cycled_momentum_against_numpy(nesterov):
  wanted, steps = settings("triangular"), 20
  ours = optimizers.make_optimizer(
    types.SimpleNamespace(name="sgd", momentum=0.9, nesterov=nesterov, weight_decay=5e-4),
    schedules.make_schedule(wanted, 0.3, PER_EPOCH, steps),
    schedules.make_momentum(wanted, 0.9, PER_EPOCH, steps),
  )
  curvature, expected = np.array([1.0, 4.0]), np.array([1.0, -2.0])
  params, trace = np.float32(expected), 0.0
  state = ours.init(params)
  for step in range(steps):
    updates, state = jax.jit(ours.update)(np.float32(curvature) * params, state, params)
    params = optax.apply_updates(params, updates)
    height = 1 - abs(2 * step / steps - 1)
    momentum, gradient = 0.9 - 0.1 * height, curvature * expected + 5e-4 * expected
    trace = momentum * trace + gradient
    expected = expected - 0.3 * height * (gradient + momentum * trace if nesterov else trace)
    np.testing.assert_allclose(params, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_checkpoints_of_optaxs_own_weight_decay_are_read(weight_decay):
  # whose state has no place for parameters that do not decay
  params = {"kernel": np.ones(3, np.float32), "gain_logits": np.ones(2, np.float32)}
  ours = optimizers.sgd(
    types.SimpleNamespace(nesterov=True, weight_decay=weight_decay), lambda step: 0.1, 0.9
  )
  theirs = optax.chain(
    optax.add_decayed_weights(weight_decay), optax.sgd(lambda step: 0.1, 0.9, nesterov=True)
  )
  assert jax.tree.structure(ours.init(params)) == jax.tree.structure(theirs.init(params))


def test_lars_against_numpy():
  random = np.random.default_rng(0)
  shapes = {"kernel": (4, 3), "bias": (3,), "zero": (2,)}
  params = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
  params["zero"][:] = 0
  update_rule = optimizers.make_optimizer(
    types.SimpleNamespace(name="lars", momentum=0.9, nesterov=False, weight_decay=0.1),
    lambda step: 0.5 / (step + 1),
  )
  state = update_rule.init(params)
  expected = {name: value.astype(np.float64) for name, value in params.items()}
  momenta = dict.fromkeys(shapes, 0.0)
  for step in range(4):
    gradients = {
      name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    updates, state = update_rule.update(gradients, state, params)
    params = optax.apply_updates(params, updates)
    for name, weight in expected.items():
      gradient = gradients[name] + 0.1 * weight
      # The array of zeros takes its first step as SGD does.
      ratio = 1e-3 * np.linalg.norm(weight) / np.linalg.norm(gradient) if weight.any() else 1
      momenta[name] = 0.9 * momenta[name] + ratio * gradient
      expected[name] = weight - 0.5 / (step + 1) * momenta[name]
      np.testing.assert_allclose(params[name], expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_the_rows_say_which_schedules_depend_on_the_length_of_the_run(name):
  def start_of_a_run(steps):
    schedule = schedules.make_schedule(settings(name, 1.0, (2,)), 0.1, PER_EPOCH, steps)
    return [float(schedule(step)) for step in range(12)]

  differs = start_of_a_run(12) != start_of_a_run(24)
  assert differs == schedules.SCHEDULES[name].depends_on_length

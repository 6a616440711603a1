"""Learning-rate schedules in closed form, and SGD against PyTorch's."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from apr_jax import optimizers, schedules
from apr_jax.errors import UserError

PER_EPOCH = 3


def settings(name, warmup_epochs=0.0, boundaries_epochs=(60, 120, 160, 190), factor=0.2):
  return types.SimpleNamespace(
    name=name, warmup_epochs=warmup_epochs, boundaries_epochs=boundaries_epochs, factor=factor
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

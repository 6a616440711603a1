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
  **others,
):
  return types.SimpleNamespace(
    **{"warmup_start": 0.0, "end_rate": 0.0, "rise": 0.25, **others},
    name=name,
    warmup_epochs=warmup_epochs,
    boundaries_epochs=boundaries_epochs,
    factor=factor,
    peak_momentum=peak_momentum,
  )


def rule(name="sgd", momentum=0.9, nesterov=True, weight_decay=5e-4, **others):
  """`config.optimizer`, but for its rate."""
  values = {"name": name, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
  return types.SimpleNamespace(**{"decay_norms": True, "clip_norm": 0.0} | values | others)


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


def test_cosine_may_end_above_zero():
  steps = 30
  expected = 0.01 + (0.3 - 0.01) * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
  np.testing.assert_allclose(
    rates(settings("cosine", end_rate=0.01), 0.3, steps), expected, atol=1e-7
  )


def test_a_warm_up_may_begin_at_a_share_of_the_rate():
  wanted = settings("constant", 1.0, warmup_start=0.5)
  np.testing.assert_allclose(rates(wanted, 0.6, 5), [0.3, 0.4, 0.5, 0.6, 0.6], rtol=1e-6)


def test_one_cycle_at_steps_worked_out_by_hand():
  # 9 steps, of which a third are for the rise: the peak 1 is at step 2, its 25th at step 0, and
  # half way up, at step 1, the mean of both. Half way down, at step 5, it is half the peak.
  found = rates(settings("one_cycle", rise=1 / 3), 1.0, 9)
  np.testing.assert_allclose(found[[0, 1, 2]], [0.04, 0.52, 1], rtol=1e-6)
  np.testing.assert_allclose(found[[5, 8]], [0.500002, 4e-6], atol=1e-6)
  momentum = schedules.make_momentum(
    settings("one_cycle", rise=1 / 3, peak_momentum=0.85), 0.95, PER_EPOCH, 9
  )
  np.testing.assert_allclose(
    [float(momentum(step)) for step in (0, 1, 2, 5, 8)], [0.95, 0.9, 0.85, 0.9, 0.95], rtol=1e-6
  )


def test_one_cycle_is_torchs():
  torch = pytest.importorskip("torch")
  steps = 40
  weight = torch.nn.Parameter(torch.zeros(1))
  theirs = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
  cycle = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=0.2, total_steps=steps, pct_start=0.25)
  wanted = settings("one_cycle", rise=0.25, peak_momentum=0.85)
  found = rates(wanted, 0.2, steps)
  momentum = schedules.make_momentum(wanted, 0.95, PER_EPOCH, steps)
  for step in range(steps):
    group = theirs.param_groups[0]
    assert found[step] == pytest.approx(group["lr"], rel=1e-4, abs=1e-7)
    assert float(momentum(step)) == pytest.approx(group["momentum"], rel=1e-5)
    theirs.step()
    if step < steps - 1:
      cycle.step()


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
    rule(momentum=momentum, nesterov=nesterov, weight_decay=weight_decay),
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
    rule(momentum=0.95, nesterov=nesterov, weight_decay=0.01),
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
    rule(nesterov=nesterov),
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
  ours = optimizers.sgd(rule(weight_decay=weight_decay), lambda step: 0.1, 0.9)
  theirs = optax.chain(
    optax.add_decayed_weights(weight_decay), optax.sgd(lambda step: 0.1, 0.9, nesterov=True)
  )
  assert jax.tree.structure(ours.init(params)) == jax.tree.structure(theirs.init(params))


def test_a_gradient_longer_than_the_bound_is_scaled_down_to_it():
  gradients = {"a": np.float32([3, 0]), "b": np.float32([[0], [4]])}  # of norm 5 together
  params = jax.tree.map(np.ones_like, gradients)

  def step_of(clip_norm, weight_decay=0.0):
    ours = optimizers.make_optimizer(
      rule(momentum=0.0, nesterov=False, weight_decay=weight_decay, clip_norm=clip_norm),
      lambda step: 1.0,
    )
    updates, _ = ours.update(gradients, ours.init(params), params)
    return {name: -np.asarray(update) for name, update in updates.items()}

  clipped = step_of(2.0)
  np.testing.assert_allclose(clipped["a"], [1.2, 0], rtol=1e-6)
  np.testing.assert_allclose(clipped["b"], [[0], [1.6]], rtol=1e-6)
  np.testing.assert_array_equal(step_of(5.5)["b"], gradients["b"])
  np.testing.assert_array_equal(step_of(0.0)["a"], gradients["a"])
  # weight decay is added to what is left
  np.testing.assert_allclose(step_of(2.0, 0.1)["a"], [1.3, 0.1], rtol=1e-6)


def test_without_a_bound_the_state_is_as_it_was():
  params = {"kernel": np.ones(3, np.float32)}
  states = [
    optimizers.make_optimizer(rule(clip_norm=bound), lambda step: 0.1).init(params)
    for bound in (0.0, 1.0)
  ]
  plain = optimizers.sgd(rule(), lambda step: 0.1, 0.9).init(params)
  assert jax.tree.structure(states[0]) == jax.tree.structure(plain)
  assert jax.tree.structure(states[1]) != jax.tree.structure(plain)


@pytest.mark.parametrize("decay_norms", [True, False])
def test_norms_may_be_left_out_of_the_weight_decay(decay_norms):
  params = {
    "bn": {"scale": np.ones(2), "bias": np.ones(2), "auxiliary_scale": np.ones(2)},
    "conv": {"kernel": np.ones(2), "bias": np.ones(2)},
  }
  ours = optimizers.make_optimizer(
    rule(momentum=0.0, nesterov=False, weight_decay=0.1, decay_norms=decay_norms), lambda step: 1.0
  )
  updates, _ = ours.update(jax.tree.map(np.zeros_like, params), ours.init(params), params)
  of_norms, others = jax.tree.leaves(updates["bn"]), jax.tree.leaves(updates["conv"])
  np.testing.assert_allclose(of_norms, -0.1 if decay_norms else 0)
  np.testing.assert_allclose(others, -0.1)


def test_lars_against_numpy():
  random = np.random.default_rng(0)
  shapes = {"kernel": (4, 3), "bias": (3,), "zero": (2,)}
  params = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
  params["zero"][:] = 0
  update_rule = optimizers.make_optimizer(
    rule("lars", nesterov=False, weight_decay=0.1),
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


@pytest.mark.parametrize(
  "name, boundaries, epochs, falls",
  [
    ("step", (60, 120), 60, False),  # the boundary is where the training ends
    ("step", (60, 120), 61, True),
    ("step", (), 20, True),  # as was asked for
    ("cosine", (60, 120), 20, True),
    ("constant", (60, 120), 20, True),
  ],
)
def test_a_rate_that_never_falls_though_it_was_to_is_said(name, boundaries, epochs, falls):
  said = schedules.what_never_falls(settings(name, boundaries_epochs=boundaries), epochs)
  assert (said == "") == falls
  assert falls or ("after epoch 60," in said and f"{epochs} epoch(s)" in said)


def test_a_schedule_of_ones_own_may_say_when_it_falls_first(monkeypatch):
  own = schedules.Row(schedules.constant, falls_first=lambda settings: 7.5)
  monkeypatch.setitem(schedules.SCHEDULES, "own", own)
  said = schedules.what_never_falls(settings("own"), 7)
  assert "schedule.name=own" in said and "after epoch 7.5" in said
  assert schedules.what_never_falls(settings("own"), 8) == ""

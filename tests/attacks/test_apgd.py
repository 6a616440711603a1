"""APGD against the same attack written in NumPy, and its step size against traces by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks import apgd
from apr_jax.attacks.network import Given, Network

RANDOM = np.random.default_rng(0)
NUMBER, SHAPE, CLASSES = 8, (2, 2, 3), 5
SIZE, EPSILON, WAVES = 12, 0.03, 150.0
IMAGES = RANDOM.uniform(0, 1, (NUMBER, *SHAPE)).astype(np.float32)
PHASE = RANDOM.uniform(0, 6, SIZE)
WEIGHT = RANDOM.normal(size=(SIZE, CLASSES))


def logits_fn(images):
  """Rugged: many maxima within epsilon, so that the step size matters."""
  waves = jnp.sin(WAVES * images.reshape(len(images), -1) + PHASE.astype(np.float32))
  return waves @ WEIGHT.astype(np.float32)


NETWORK = Network(logits_fn, NUMBER)  # compiles once for all tests
LABELS = np.asarray(logits_fn(IMAGES).argmax(-1))
TARGETS = (LABELS + 1) % CLASSES
GIVEN = Given(
  jnp.asarray(IMAGES),
  jnp.asarray(LABELS),
  jnp.asarray(TARGETS),
  jax.random.split(jax.random.key(1), NUMBER),
)


def losses_in_float64(kind, image, label, target):
  """Loss and gradient of one image, float64 `[D]`."""
  logits = np.sin(WAVES * image + PHASE) @ WEIGHT
  if kind == "ce":
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    value, slope = -np.log(shares[label]), shares - np.eye(CLASSES)[label]
  else:
    order = np.argsort(-logits)
    unit = np.eye(CLASSES)
    if kind == "dlr":
      other = order[1] if order[0] == label else order[0]
      rise, rise_slope = logits[other] - logits[label], unit[other] - unit[label]
      width = logits[order[0]] - logits[order[2]]
      width_slope = unit[order[0]] - unit[order[2]]
    else:
      rise, rise_slope = logits[target] - logits[label], unit[target] - unit[label]
      width = logits[order[0]] - (logits[order[2]] + logits[order[3]]) / 2
      width_slope = unit[order[0]] - (unit[order[2]] + unit[order[3]]) / 2
    value, slope = rise / width, rise_slope / width - rise * width_slope / width**2
  return value, WAVES * np.cos(WAVES * image + PHASE) * (WEIGHT @ slope)


def in_float64(kind, original, start, label, target, iterations):
  """The iterates and step sizes of one image, as paper and released code say."""

  def project(point):
    return np.clip(np.clip(point, original - EPSILON, original + EPSILON), 0, 1)

  current = previous = best = start
  value, gradient = losses_in_float64(kind, current, label, target)
  best_loss = best_before = value
  best_gradient, eta, halved, last_check = gradient, 2 * EPSILON, True, 0
  losses, iterates, sizes = [], [], []
  ends = [22, 41, 57, 70, 80, 87, 93, 99]
  for i in range(iterations):
    # Where the label is third, its ratio is constant, and rounding alone gives a direction.
    if np.abs(gradient).max() < 1e-9:
      break
    share = 1 if i == 0 else 0.75
    uphill = project(current + eta * np.sign(gradient))
    moved = project(current + share * (uphill - current) + (1 - share) * (current - previous))
    previous, current = current, moved
    value, gradient = losses_in_float64(kind, current, label, target)
    losses.append(value)
    if value > best_loss:
      best, best_loss, best_gradient = current, value, gradient
    if i + 1 in ends:
      window = i + 1 - last_check
      rises = sum(losses[j] > (losses[j - 1] if j else 0) for j in range(i + 1 - window, i + 1))
      halve = rises <= 0.75 * window or (not halved and best_loss <= best_before)
      if halve:
        eta, current, gradient = eta / 2, best, best_gradient
      halved, best_before, last_check = halve, best_loss, i + 1
    iterates.append(current)
    sizes.append(eta)
  return np.array(iterates).reshape(-1, SIZE), np.array(sizes)


@pytest.mark.parametrize("kind, name", list(zip(("ce", "dlr", "targeted"), apgd.LOSSES)))
def test_equals_the_attack_in_numpy(kind, name):
  state, step = apgd.start(GIVEN, np.float32(EPSILON)), NETWORK.compiled(apgd.ascend, passes=1)
  starts = np.asarray(state.current, np.float64).reshape(NUMBER, -1)
  ends, iterates, sizes = apgd.checkpoints(100), [], []
  for iteration in range(61):
    at = ends.index(iteration) if iteration in ends else None
    window = 0 if at is None else ends[at] - ([0, *ends])[at]
    state = step(
      state,
      GIVEN,
      np.float32(EPSILON),
      np.int32(apgd.LOSSES.index(name)),
      np.int32(iteration),
      np.float32(1 if iteration <= 1 else 0.75),
      np.int32(window),
    )
    if iteration:
      iterates.append(np.asarray(state.current).reshape(NUMBER, -1))
      sizes.append(np.asarray(state.step_size))

  compared = 0
  for row in range(NUMBER):
    image = IMAGES[row].astype(np.float64).ravel()
    expected, its_sizes = in_float64(kind, image, starts[row], LABELS[row], TARGETS[row], 60)
    compared += len(expected)
    its_iterates = np.array(iterates)[: len(expected), row]
    np.testing.assert_allclose(its_iterates, expected, atol=2e-5)
    np.testing.assert_allclose(np.array(sizes)[: len(expected), row], its_sizes, rtol=1e-6)
  assert compared > 60
  assert len(np.unique(sizes)) >= 3


def test_checkpoints():
  assert apgd.checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
  for iterations in (1, 2, 5, 10, 50):
    ends = apgd.checkpoints(iterations)
    assert all(0 < end <= iterations for end in ends)
    assert ends == sorted(set(ends))


@pytest.mark.parametrize(
  "rises, window, halved, best_loss, best_before, expected",
  [
    (16, 22, True, 2.0, 1.0, True),  # 16 <= 16.5
    (17, 22, True, 2.0, 1.0, False),
    (15, 20, True, 2.0, 1.0, True),  # at most 0.75 means also exactly
    (17, 22, False, 1.0, 1.0, True),  # no better since a checkpoint that did not halve
    (17, 22, True, 1.0, 1.0, False),  # no better, but it has just been halved
    (17, 22, False, 1.1, 1.0, False),
  ],
)
def test_when_the_step_size_is_halved(rises, window, halved, best_loss, best_before, expected):
  assert (
    bool(apgd.halves(jnp.array(rises), window, jnp.array(halved), best_loss, best_before))
    is expected
  )


def test_the_start_reaches_epsilon_somewhere_and_stays_in_the_box():
  middle = GIVEN._replace(images=jnp.full((NUMBER, *SHAPE), 0.5))
  change = np.abs(apgd.start(middle, np.float32(EPSILON)).current - 0.5)
  np.testing.assert_allclose(change.max((1, 2, 3)), EPSILON, rtol=1e-5)
  edge = apgd.start(GIVEN._replace(images=jnp.zeros((NUMBER, *SHAPE))), np.float32(EPSILON)).current
  assert edge.min() == 0 < edge.max() <= np.float32(EPSILON)


def test_gradients_of_passes_are_averaged():
  # a network that draws its sign: the mean gradient of many passes has that of the larger share
  def drawn(images, keys):
    signs = jax.vmap(lambda key: jnp.where(jax.random.uniform(key) < 0.9, 1.0, -1.0))(keys)
    sums = signs * images.sum((1, 2, 3))
    return jnp.stack([-sums, jnp.zeros_like(sums)], -1)

  network = Network(drawn, NUMBER, randomised=True)
  given = GIVEN._replace(labels=jnp.ones(NUMBER, jnp.int32))
  arguments = [np.float32(EPSILON), np.int32(1), np.int32(0), np.float32(1), np.int32(0)]
  state = network.compiled(apgd.ascend, passes=200)(
    apgd.start(given, np.float32(EPSILON)), given, *arguments
  )
  # z_0 − z_1 of two classes: each pass has the gradient 1 or −1, and the mean is about −0.8
  assert np.asarray((state.gradient > -1) & (state.gradient < -0.6)).all()

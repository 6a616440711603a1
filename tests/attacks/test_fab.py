"""FAB on networks whose nearest boundary is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks import fab
from apr_jax.attacks.network import Given, Network

NUMBER, SHAPE, CLASSES = 16, (4, 4, 3), 4
RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(48, CLASSES)).astype(np.float32)
# far from 0 and 1: the box is out of reach
IMAGES = RANDOM.uniform(0.45, 0.55, (NUMBER, *SHAPE)).astype(np.float32)


def logits_fn(images):
  return images.reshape(len(images), -1) @ WEIGHT


NETWORK = Network(logits_fn, NUMBER)  # compiles once for all tests
LOGITS = np.asarray(logits_fn(IMAGES))
LABELS = LOGITS.argmax(-1)


def distances():
  """float `[N, K]`: the max-norm distance to the boundary of each class."""
  gaps = np.take_along_axis(LOGITS, LABELS[:, None], 1) - LOGITS
  norms = np.abs(WEIGHT[:, :, None] - WEIGHT[:, LABELS][:, None]).sum(0).T
  return np.where(np.arange(CLASSES) == LABELS[:, None], np.inf, gaps / np.maximum(norms, 1e-9))


def outcome(epsilon, targets, targeted=True, iterations=100, restart=0):
  given = Given(
    jnp.asarray(IMAGES),
    jnp.asarray(LABELS),
    jnp.asarray(targets),
    jax.random.split(jax.random.key(0), NUMBER),
  )
  attack = fab.FAB(targeted, "fab", iterations=iterations)
  return attack(NETWORK, given, NUMBER, epsilon=epsilon, restart=restart, report=lambda calls: None)


@pytest.mark.parametrize("targeted", [True, False])
def test_finds_the_nearest_boundary_and_nothing_nearer(targeted):
  targets, distance = distances().argmin(-1), distances().min(-1)
  for share in (0.5, 0.8):
    epsilon = np.quantile(distance, share) * 1.001
    found = outcome(epsilon, targets, targeted)
    clear = np.abs(distance / epsilon - 1) > 0.01
    np.testing.assert_array_equal(found.found[clear], (distance < epsilon)[clear])
    change = np.abs(found.images - IMAGES).max((1, 2, 3))[found.found]
    assert (change <= np.float32(epsilon)).all()
    assert (change >= distance[found.found] * 0.999).all()
    assert not found.flat.any()


def test_one_iteration_overshoots_the_boundary_by_a_twentieth():
  # on a linear network the first step ends behind the boundary, at 1.05 of the distance
  targets, distance = distances().argmin(-1), distances().min(-1)
  found = outcome(1.0, targets, iterations=1)
  assert found.found.all()
  change = np.abs(found.images - IMAGES).max((1, 2, 3))
  np.testing.assert_allclose(change, 1.05 * distance, rtol=1e-3)


def test_a_restart_begins_elsewhere():
  targets = distances().argmin(-1)
  first, again = (outcome(1.0, targets, iterations=1, restart=restart) for restart in (0, 1))
  assert (first.images != again.images).any()


def test_without_a_gradient_nothing_is_found_and_said_so():
  network = Network(lambda images: jnp.zeros((len(images), 2)) + jnp.array([1.0, 0.0]), NUMBER)
  given = Given(
    jnp.asarray(IMAGES),
    jnp.zeros(NUMBER, jnp.int32),
    jnp.ones(NUMBER, jnp.int32),
    jax.random.split(jax.random.key(0), NUMBER),
  )
  found = fab.FAB(True, "fab-t", iterations=5)(
    network, given, NUMBER, epsilon=0.1, restart=0, report=lambda calls: None
  )
  assert found.flat.all()
  assert not found.found.any()

"""Square: its schedule against the published one, its windows, and what it accepts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks import square
from apr_jax.attacks.network import Given, Network

LAST_QUERY = (10, 50, 200, 500, 1000, 2000, 4000, 4999)
EPSILON = np.float32(0.1)


@pytest.mark.parametrize(
  "pixels, sides",
  [(32, (29, 20, 14, 10, 7, 5, 4, 3)), (224, (200, 142, 100, 71, 50, 35, 25, 18))],
)
def test_sides_of_the_windows(pixels, sides):
  expected, first = np.zeros(5000, int), 0
  for last, side in zip(LAST_QUERY, sides):
    expected[first : last + 1], first = side, last + 1
  np.testing.assert_array_equal(square.window_sides(5000, (pixels, pixels)), expected)
  # the schedule does not stretch with the number of queries
  np.testing.assert_array_equal(square.window_sides(700, (pixels, pixels)), expected[:700])


def test_sides_of_images_that_are_no_squares():
  assert square.window_sides(5000, (8, 100)).max() == 8
  assert square.window_sides(5000, (3, 3)).min() == 1


def test_a_window_has_one_sign_per_channel():
  places = set()
  for seed in range(60):
    found = np.asarray(square.window(jax.random.key(seed), (6, 5, 3), 3))
    rows, columns = np.nonzero(found[..., 0])
    top, left = rows.min(), columns.min()
    inside = found[top : top + 3, left : left + 3]
    assert (np.abs(found).sum((0, 1)) == 9).all()
    assert (inside == inside[0, 0]).all()
    places.add((top, left))
  # the last place of each direction is never drawn, as in the released code
  assert places == {(top, left) for top in range(3) for left in range(2)}


def given_of(images, labels, seed=0):
  number = len(images)
  return Given(
    jnp.asarray(images, jnp.float32),
    jnp.asarray(labels, jnp.int32),
    jnp.zeros(number, jnp.int32),
    jax.random.split(jax.random.key(seed), number),
  )


def test_the_start_is_vertical_stripes():
  given = given_of(np.full((4, 5, 6, 3), 0.5), np.zeros(4))
  change = np.asarray(square.start(given, EPSILON).found) - 0.5
  np.testing.assert_allclose(np.abs(change), EPSILON, rtol=1e-5)
  assert (change == change[:, :1]).all()
  assert len({row.tobytes() for row in change}) == 4
  assert not (change == change[:, :, :1]).all()


def test_the_margin_only_falls_and_changes_are_epsilon_or_nothing():
  weight = np.random.default_rng(0).normal(size=(5 * 5 * 3, 4)).astype(np.float32)

  def logits_fn(images):
    return images.reshape(len(images), -1) @ weight

  images = np.random.default_rng(1).uniform(0.2, 0.8, (8, 5, 5, 3)).astype(np.float32)
  given = given_of(images, logits_fn(images).argmax(-1))
  network = Network(logits_fn, 8)
  state = network.compiled(square.look)(square.start(given, EPSILON), given)
  step, margins = network.compiled(square.search), [np.asarray(state.margin)]
  for first in range(5):
    state = step(state, given, EPSILON, np.int32(first), np.int32(1), np.array([3], np.int32))
    margins.append(np.asarray(state.margin))
  margins = np.array(margins)
  assert (np.diff(margins, axis=0) <= 0).all()
  assert (margins[-1] < margins[0]).any()
  np.testing.assert_allclose(np.abs(state.found - images), EPSILON, rtol=1e-4)
  logits = logits_fn(state.found)
  np.testing.assert_array_equal(state.done, logits.argmax(-1) != given.labels)


def test_a_tie_that_still_counts_as_the_label_goes_on():
  # the largest logits are equal as long as the first value stays above 0.3
  def logits_fn(images):
    lowered = jnp.where(images[:, 0, 0, 0] < 0.3, -1.0, 0.0)
    return jnp.stack([lowered, jnp.zeros(len(images))], -1)

  given = given_of(np.full((8, 3, 3, 3), 0.35), np.zeros(8))
  network = Network(logits_fn, 8)
  state = network.compiled(square.look)(square.start(given, EPSILON), given)
  assert not state.done.all()
  sides = np.ones(200, np.int32)
  state = network.compiled(square.search)(state, given, EPSILON, np.int32(0), np.int32(200), sides)
  assert state.done.all()

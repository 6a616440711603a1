"""The attack against the same attack written by hand in NumPy, and what it must never do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks.pgd import make_adversary, pgd
from apr_jax.errors import UserError
from configs import base

RANDOM = np.random.default_rng(0)
VIEWS, BATCH, SIDE, CLASSES = 2, 6, 4, 3
# APR-P leaves values outside [0, 1]: some here are further outside than the attack may move them.
IMAGES = RANDOM.uniform(-0.1, 1.1, (VIEWS, BATCH, SIDE, SIDE, 3)).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, BATCH)
WEIGHT = RANDOM.normal(size=(SIDE * SIDE * 3, CLASSES))
EPSILON, STEP = 8 / 255, 3 / 255
KEY = jax.random.key(3)


def linear_loss(views):
  logits = views.reshape(VIEWS, BATCH, -1) @ jnp.asarray(WEIGHT, jnp.float32)
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), LABELS[None, :, None], 2).mean()


attack = jax.jit(
  functools.partial(pgd, loss_of_views=linear_loss, step_size=STEP),
  static_argnames=("steps", "random_start", "outside", "unroll"),
)
start = functools.partial(attack, epsilon=EPSILON, steps=0)


def interval(value):
  """The allowed values around one value, case by case."""
  if value < -EPSILON:
    return value + EPSILON, value + EPSILON
  if value > 1 + EPSILON:
    return value - EPSILON, value - EPSILON
  return max(value - EPSILON, 0), min(value + EPSILON, 1)


def numpy_pgd(views, start, steps):
  views = views.astype(np.float64)
  lower, upper = np.moveaxis(
    np.array([interval(value) for value in views.ravel()]).reshape(*views.shape, 2), -1, 0
  )
  attacked = start.astype(np.float64)
  for _ in range(steps):
    logits = attacked.reshape(VIEWS, BATCH, -1) @ WEIGHT
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    gradient = (probabilities - np.eye(CLASSES)[LABELS]) @ WEIGHT.T
    attacked = np.minimum(
      np.maximum(attacked + STEP * np.sign(gradient.reshape(views.shape)), lower), upper
    )
  return attacked


@pytest.mark.parametrize("random_start", [False, True])
def test_a_linear_model_is_attacked_as_by_numpy(random_start):
  attacked = attack(KEY, IMAGES, epsilon=EPSILON, steps=4, random_start=random_start)
  assert attacked.dtype == jnp.float32 and attacked.shape == IMAGES.shape
  first = np.asarray(start(KEY, IMAGES)) if random_start else IMAGES
  np.testing.assert_allclose(attacked, numpy_pgd(IMAGES, first, 4), atol=1e-6)


FAST = 10 / 255  # the step of Fast FGSM, which is longer than epsilon


def released_fgsm(views, noise):
  """One step as locuslab/fast_adversarial and APR's release write it, on changes, in float64."""
  views, delta = views.astype(np.float64), noise.astype(np.float64)
  delta = np.maximum(np.minimum(delta, 1 - views), 0 - views)
  logits = (views + delta).reshape(VIEWS, BATCH, -1) @ WEIGHT
  probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  gradient = ((probabilities - np.eye(CLASSES)[LABELS]) @ WEIGHT.T).reshape(views.shape)
  delta = np.maximum(np.minimum(delta + FAST * np.sign(gradient), EPSILON), -EPSILON)
  return views + np.maximum(np.minimum(delta, 1 - views), 0 - views)


@pytest.mark.parametrize("outside", ["stay", "pull"])
def test_one_step_of_fgsm_with_values_outside_is_that_by_hand(outside):
  # of views in the middle nothing is cut off the noise
  grey = np.full(IMAGES.shape, 0.5, np.float32)
  noise = np.asarray(start(KEY, grey, outside=outside)) - grey
  fgsm = functools.partial(pgd, loss_of_views=linear_loss, epsilon=EPSILON, step_size=FAST)
  attacked = np.asarray(fgsm(KEY, IMAGES, steps=1, outside=outside))
  expected = released_fgsm(IMAGES, noise)
  inside = (IMAGES >= -EPSILON) & (IMAGES <= 1 + EPSILON)
  assert 0.05 < (~inside).mean() < 0.95
  np.testing.assert_allclose(attacked[inside], expected[inside], atol=1e-6)
  if outside == "pull":
    np.testing.assert_allclose(attacked, expected, atol=1e-6)
    assert attacked.min() == 0 and attacked.max() == 1
    assert np.abs(attacked - IMAGES).max() > 2 * EPSILON
  else:
    ends = np.array([interval(value)[0] for value in IMAGES[~inside]])
    np.testing.assert_allclose(attacked[~inside], ends, atol=1e-6)


def test_the_release_moves_far_values_before_its_gradient_too():
  first = np.asarray(start(KEY, IMAGES, outside="pull"))
  assert first.min() == 0 and first.max() == 1
  far = (IMAGES < -EPSILON) | (IMAGES > 1 + EPSILON)
  np.testing.assert_array_equal(first[far], np.round(np.clip(IMAGES[far], 0, 1)))


def test_the_random_start_is_uniform_within_the_budget():
  grey = np.full((2, 64, 8, 8, 3), 0.5, np.float32)
  change = (np.asarray(start(KEY, grey)) - grey) / EPSILON
  assert np.abs(change).max() <= 1.0001
  counts = np.histogram(change, 10, (-1, 1))[0]
  assert counts.sum() > 0.999 * change.size and np.abs(counts / change.size - 0.1).max() < 0.01
  # images and views draw apart
  assert len({noise.tobytes() for noise in change.reshape(128, -1)}) == 128


@pytest.mark.parametrize("steps, random_start", [(0, True), (4, True), (4, False)])
def test_the_budget_holds_and_the_range_where_it_can(steps, random_start):
  attacked = np.asarray(
    attack(KEY, IMAGES, epsilon=EPSILON, steps=steps, random_start=random_start)
  )
  assert np.abs(attacked - IMAGES).max() <= EPSILON + 1e-6
  reachable = (IMAGES >= -EPSILON) & (IMAGES <= 1 + EPSILON)
  assert not reachable.all() and ((attacked[reachable] >= 0) & (attacked[reachable] <= 1)).all()
  assert (np.abs(attacked - IMAGES) > EPSILON / 2).mean() > 0.3


@pytest.mark.parametrize("random_start", [False, True])
def test_without_a_budget_nothing_changes(random_start):
  attacked = attack(KEY, IMAGES, epsilon=0.0, steps=4, random_start=random_start)
  np.testing.assert_array_equal(attacked, IMAGES)


def test_a_loop_is_the_steps_written_out():
  looped = attack(KEY, IMAGES, epsilon=EPSILON, steps=4, unroll=False)
  # written out, on CPU
  np.testing.assert_array_equal(looped, attack(KEY, IMAGES, epsilon=EPSILON, steps=4))


def test_the_start_goes_by_position():
  whole = start(KEY, IMAGES)
  np.testing.assert_array_equal(
    start(KEY, IMAGES[:, ::-1], positions=np.arange(BATCH)[::-1]), whole[:, ::-1]
  )
  assert (start(jax.random.key(4), IMAGES) != whole).any()


def test_no_gradient_flows_through_it():
  slope = jax.grad(lambda views: start(KEY, views).sum())(jnp.asarray(IMAGES))
  np.testing.assert_array_equal(slope, 0)


def test_the_configuration_gives_levels_of_255():
  settings = base.get_config().adversary
  assert make_adversary(settings) is None
  settings.steps, settings.epsilon, settings.step_size = 1, 8.0, 10.0  # Fast FGSM
  settings.outside = "pull"
  made = make_adversary(settings).keywords
  assert made == {
    "steps": 1,
    "epsilon": 8 / 255,
    "step_size": 10 / 255,
    "random_start": True,
    "outside": "pull",
  }


def test_an_unknown_way_with_values_outside_is_refused():
  with pytest.raises(UserError, match="outside must be one of stay, pull, got 'push'"):
    pgd(KEY, IMAGES, linear_loss, steps=1, epsilon=EPSILON, step_size=STEP, outside="push")

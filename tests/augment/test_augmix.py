"""AugMix against its algorithm in NumPy, on the same draws."""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.augment import augmix, ops

random_op = jax.jit(ops.random_op, static_argnums=2)
views_of = jax.jit(augmix.augmix, static_argnames=("width", "depth", "severity"))


def expected_view(key, image, width, depth):
  """Algorithm 1 step by step in float64, on normalised images as released, brought back to [0,
  1].
  """
  mean, std = np.array([0.49, 0.48, 0.45]), np.array([0.2, 0.21, 0.19])

  def normalise(x):
    return (np.asarray(x, np.float64) / 255 - mean) / std

  weights_key, share_key, chains_key = jax.random.split(key, 3)
  weights = np.asarray(jax.random.dirichlet(weights_key, jnp.ones(width)), np.float64)
  share = float(jax.random.beta(share_key, 1.0, 1.0))
  mixed, lengths = 0, []
  for weight, chain_key in zip(weights, jax.random.split(chains_key, width)):
    length_key, op_key = jax.random.split(chain_key)
    lengths.append(int(jax.random.randint(length_key, (), 1, depth + 1)))
    chained = image
    for step in range(lengths[-1]):
      chained = random_op(jax.random.fold_in(op_key, step), chained, 3.0)
    mixed = mixed + weight * normalise(chained)
  return ((1 - share) * normalise(image) + share * mixed) * std + mean, lengths


def test_augmix_is_algorithm_1(photographs):
  images, key = photographs[:4], jax.random.key(2)
  views = np.asarray(views_of(key, images, positions=jnp.arange(4)))
  assert views.shape == (3, 4, 32, 32, 3) and views.dtype == np.float32
  assert views.min() >= 0 and views.max() <= 1 + 1e-6
  np.testing.assert_allclose(views[0], images / 255, rtol=1e-6)
  lengths = []
  for i, image in enumerate(images):
    for view, view_key in enumerate(jax.random.split(jax.random.fold_in(key, i))):
      expected, drawn = expected_view(view_key, image, 3, 3)
      lengths += drawn
      # One level apart in a warp is at most a level in the mixture.
      assert np.abs(views[1 + view, i] - expected).max() <= 1.01 / 255 * 3
      assert (np.abs(views[1 + view, i] - expected) < 1e-5).mean() > 0.99
  assert set(lengths) == {1, 2, 3}


def test_mixture_by_hand():
  image, chains = (
    np.full((2, 2, 3), 100, np.uint8),
    np.stack([np.full((2, 2, 3), v, np.uint8) for v in (0, 200)]),
  )
  result = augmix.mixture(image, chains, np.array([0.25, 0.75], np.float32), 0.4)
  np.testing.assert_allclose(result, 0.6 * 100 + 0.4 * 150, rtol=1e-6)


def test_views_differ_and_depend_on_position_alone(photographs):
  key = jax.random.key(0)
  same = np.repeat(photographs[:1], 4, axis=0)
  _, first, second = np.asarray(views_of(key, same, positions=jnp.arange(4)))
  distinct = {view.tobytes() for view in (*first, *second)}
  assert len(distinct) == 8
  part = np.asarray(views_of(key, same, positions=jnp.array([2, 3, 9, 1])))
  np.testing.assert_allclose(part[1][[0, 1, 3]], first[[2, 3, 1]], atol=1e-6)

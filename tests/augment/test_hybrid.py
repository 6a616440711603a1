"""HybridAugment and HybridAugment++ against SciPy's filter and NumPy, on the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from apr_jax import keys
from apr_jax.augment import apr, hybrid, ops
from apr_jax.augment.partners import random_partners


def low_float64(images):
  """torchvision's gaussian_blur(x, 3, 0.5): weights e^(-x²/2σ²), the border mirrored about the
  outermost pixel.
  """
  weights = np.exp(-0.5 * (np.array([-1.0, 0.0, 1.0]) / 0.5) ** 2)
  weights /= weights.sum()
  images = np.asarray(images, np.float64)
  for axis in (-3, -2):
    images = ndimage.correlate1d(images, weights, axis=axis, mode="mirror")
  return images


def recombine_float64(amplitude_of, phase_of):
  first, second = (np.fft.fftn(x, axes=(-3, -2, -1)) for x in (amplitude_of, phase_of))
  return np.fft.ifftn(np.abs(first) * np.exp(1j * np.angle(second)), axes=(-3, -2, -1)).real


@pytest.fixture(scope="module")
def images(photographs):
  return photographs / np.float32(255)


def test_low_pass_is_the_gaussian_filter(images):
  result = jax.jit(hybrid.low_pass)(images)
  assert result.dtype == jnp.float32
  np.testing.assert_allclose(result, low_float64(images), atol=1e-6)
  np.testing.assert_allclose(
    hybrid.low_pass(images[0, :5, :9]), low_float64(images[0, :5, :9]), atol=1e-6
  )
  assert np.abs(hybrid.low_pass(images) - images).max() > 0.05


def test_low_pass_by_hand():
  # One white pixel beside the corner of a dark image: mirrored, it counts twice for the pixels of
  # the edge.
  side, centre = np.exp(-2) / (1 + 2 * np.exp(-2)), 1 / (1 + 2 * np.exp(-2))
  image = np.zeros((4, 4, 1), np.float32)
  image[1, 1] = 1
  result = np.asarray(hybrid.low_pass(image))[..., 0]
  np.testing.assert_allclose(
    result[:3, 1], [2 * side * centre, centre**2, side * centre], rtol=1e-5
  )
  np.testing.assert_allclose(
    result[0, :3], [4 * side**2, 2 * side * centre, 2 * side**2], rtol=1e-5
  )


@pytest.mark.parametrize("plus", [False, True])
def test_swap_high(images, plus):
  random = np.random.default_rng(0)
  permutation, low_permutation = random.permutation(16), random.permutation(16)
  chosen, low_chosen = np.arange(16) % 4 != 0, np.arange(16) % 3 != 0
  low = low_float64(images)
  high = (images - low)[permutation]
  if plus:
    low = np.where(
      low_chosen.reshape(-1, 1, 1, 1), recombine_float64(low[low_permutation], low), low
    )
  expected = np.where(chosen.reshape(-1, 1, 1, 1), low + high, images)
  partners = (low_permutation, low_chosen) if plus else None
  result = jax.jit(hybrid.swap_high)(images, permutation, chosen, partners)
  # In a photograph one bin may cancel to rounding error, where the phase is noise.
  assert (np.abs(result - expected) < 1e-4).mean() > 0.99
  np.testing.assert_array_equal(result[~chosen], images[~chosen])


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
def test_ha_p_draws_its_partners_and_coins(images, plus, per_image):
  key = jax.random.key(5)
  outer, inner = (random_partners(part, images, 0.6, per_image) for part in jax.random.split(key))
  assert (outer[0] != inner[0]).any()
  assert outer[1].shape == ((16,) if per_image else ())
  result = hybrid.ha_p(key, images, 0.6, plus, per_image=per_image)
  assert result.dtype == jnp.float32
  np.testing.assert_allclose(
    result, hybrid.swap_high(images, *outer, inner if plus else None), atol=1e-4
  )
  np.testing.assert_array_equal(hybrid.ha_p(key, images, 0.0, plus, per_image=per_image), images)


def test_the_high_part_moves_and_the_low_part_stays(images):
  result = np.asarray(hybrid.ha_p(jax.random.key(0), images, 1.0))

  # Averages over 8-pixel blocks hardly see the high part.
  def blocks(x):
    return x.reshape(16, 4, 8, 4, 8, 3).mean((2, 4))

  assert np.abs(blocks(result) - blocks(images)).max() < 0.04
  assert np.abs(result - images).max() > 0.1


def expected_ha_s(key, image, plus):
  """One image step by step, on operations drawn with the same keys."""
  _, first_key, stop_key, second_key, reverse_key = jax.random.split(key, 5)
  random_op = jax.jit(ops.random_op, static_argnums=2)
  first = np.asarray(random_op(first_key, image, 3.0))
  if jax.random.bernoulli(stop_key):
    return first, "one view"
  second = np.asarray(random_op(second_key, first, 3.0))
  low_of, high_of = (second, first) if jax.random.bernoulli(reverse_key) else (first, second)
  low = low_float64(low_of)
  if plus:
    inner = keys.stream(key, "apr_s")[None]
    low = np.asarray(_recombine_views(inner, np.rint(low).astype(np.uint8)[None]), np.float64)[0]
  value = low + high_of - low_float64(high_of)
  return np.clip(np.rint(value), 0, 255).astype(
    np.uint8
  ), "reversed" if low_of is second else "forward"


_recombine_views = jax.jit(
  lambda keys, images: apr.recombine_views(keys, images, 3.0, "clip", (-3, -2, -1), 1.0)
)


@pytest.mark.parametrize("plus", [False, True])
def test_ha_s_image_by_image(photographs, plus):
  key = jax.random.key(3)
  ha_s = jax.jit(lambda images, positions: hybrid.ha_s(key, images, plus=plus, positions=positions))
  result = np.asarray(ha_s(photographs, jnp.arange(16)))
  assert result.dtype == np.uint8
  kinds = set()
  for i, image in enumerate(photographs):
    expected, kind = expected_ha_s(jax.random.fold_in(key, i), image, plus)
    kinds.add(kind)
    assert (np.abs(result[i].astype(int) - expected) <= 1).mean() > 0.995, kind
  assert kinds == {"one view", "forward", "reversed"}
  # The same by position, in another batch; and nothing at probability zero.
  order = np.random.default_rng(0).permutation(16)
  other = np.asarray(ha_s(photographs[order], order), int)
  assert (np.abs(result[order].astype(int) - other) <= 1).mean() > 0.995
  np.testing.assert_array_equal(hybrid.ha_s(key, photographs, plus=plus, prob=0.0), photographs)


def test_wrapped_and_clipped_results_differ_by_whole_turns_only(photographs):
  clipped, wrapped = (
    np.asarray(hybrid.ha_s(jax.random.key(1), photographs, 3, overflow), int)
    for overflow in ("clip", "wrap")
  )
  difference = np.abs(clipped - wrapped)
  assert (difference <= 1).mean() > 0.95 and difference.max() > 200


@pytest.mark.parametrize(
  "call, message",
  [
    (lambda key: hybrid.ha_p(key, np.zeros((2, 8, 8, 3), np.uint8)), "images must be float"),
    (lambda key: hybrid.ha_s(key, np.zeros((2, 8, 8, 3), np.float32)), "images must be uint8"),
    (
      lambda key: hybrid.ha_s(key, np.zeros((2, 8, 8, 3), np.uint8), overflow="crop"),
      "clip, wrap, got 'crop'",
    ),
    (lambda key: hybrid.ha_s(key, np.zeros((2, 8, 8, 3), np.uint8), severity=0), "above 0.1"),
  ],
)
def test_wrong_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call(jax.random.key(0))

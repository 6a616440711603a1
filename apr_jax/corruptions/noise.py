"""Noise drawn independently for every value: Gaussian, shot, impulse and speckle.

Every function takes `seeds` (uint32 [B, 2], see `draws`), `images` (uint8 [B, H, W, 3]) and the row
of `parameters.at`, and returns uint8 of the same shape. Source: Hendrycks & Dietterich 2019,
repository hendrycks/robustness.
"""

import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import draws
from apr_jax.corruptions.levels import truncate


def gaussian_noise(seeds, images, row):
  """x + N(0, c), with c in units of the value range."""
  (scale,) = row
  return truncate(images + 255.0 * scale * draws.normal(seeds, images.shape[1:]))


def speckle_noise(seeds, images, row):
  """x + x N(0, c): noise in proportion to the light."""
  (scale,) = row
  return truncate(images * (1.0 + scale * draws.normal(seeds, images.shape[1:])))


def impulse_noise(seeds, images, row):
  """Salt on a fraction c/2 of the values and pepper on another c/2; a channel is hit on its own."""
  (amount,) = row
  draw = draws.uniform(seeds, images.shape[1:])
  salted = jnp.where(draw < amount / 2, 255, images)
  return jnp.where((draw >= amount / 2) & (draw < amount), 0, salted).astype(jnp.uint8)


def _poisson_quantiles(photons: float) -> np.ndarray:
  """Cumulative distributions of Poisson(v / 255 * photons) for v = 0..255.

  Returns:
    float32 [256, N], N a power of two; entry [v, n] is the chance of at most n counts. Columns past
    the last likely count are 1.
  """
  width = 1
  # Nine standard deviations above the mean: less than 1e-16 of any row is cut off.
  while width < photons + 9 * np.sqrt(photons) + 12:
    width *= 2
  counts = np.arange(width)
  log_factorial = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
  rate = np.maximum(np.arange(256) / 255 * photons, 1e-30)[:, None]
  chance = np.exp(counts * np.log(rate) - rate - log_factorial)
  return np.minimum(np.cumsum(chance, axis=1), 1.0).astype(np.float32)


def shot_noise(seeds, images, row):
  """Poisson(x c) / c: the counting noise of c photons at full brightness.

  A pixel has only 256 possible rates, so the counts come from one table of cumulative
  distributions, inverted by a binary search: a fixed number of look-ups for every pixel, where
  rejection sampling would loop until the last pixel of the batch is accepted.
  """
  (photons,) = row
  table = _poisson_quantiles(photons)
  width = table.shape[1]
  flat = jnp.asarray(table.reshape(-1))
  draw = draws.uniform(seeds, images.shape[1:])
  start = images.astype(jnp.int32) * width
  count = jnp.zeros(images.shape, jnp.int32)
  step = width // 2
  while step:
    # `count` counts the entries at or below the draw, found bit by bit.
    chance = flat.at[start + count + (step - 1)].get(mode="promise_in_bounds")
    count = jnp.where(chance <= draw, count + step, count)
    step //= 2
  return truncate(count * (255.0 / photons))

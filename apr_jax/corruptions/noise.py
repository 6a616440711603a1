"""Noise drawn independently for every value: Gaussian, shot, impulse and speckle.

Every corruption takes `keys` (uint32 `[B, 2]`, see `pixel_random`), `images` (uint8
`[B, H, W, 3]`) and the numbers that say how strong it is (see `parameters.at`). It returns uint8 of
the same shape. Source: Hendrycks & Dietterich 2019, repository hendrycks/robustness.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import pixel_random
from apr_jax.corruptions.eight_bits import truncate


class GaussianNoise(NamedTuple):
  """How strong Gaussian noise is.

  Attributes:
    scale: standard deviation, in units of the value range.
  """

  scale: float


def gaussian_noise(keys: jax.Array, images: jax.Array, row: GaussianNoise) -> jax.Array:
  """x + N(0, c), with c in units of the value range."""
  return truncate(images + 255.0 * row.scale * pixel_random.normal(keys, images.shape[1:]))


class SpeckleNoise(NamedTuple):
  """How strong speckle noise is.

  Attributes:
    scale: standard deviation relative to the value.
  """

  scale: float


def speckle_noise(keys: jax.Array, images: jax.Array, row: SpeckleNoise) -> jax.Array:
  """x + x N(0, c): noise in proportion to the light."""
  return truncate(images * (1.0 + row.scale * pixel_random.normal(keys, images.shape[1:])))


class ImpulseNoise(NamedTuple):
  """How strong impulse noise is.

  Attributes:
    amount: share of the values replaced.
  """

  amount: float


def impulse_noise(keys: jax.Array, images: jax.Array, row: ImpulseNoise) -> jax.Array:
  """Salt on a fraction c/2 of the values and pepper on another c/2; a channel is hit on its own."""
  draw = pixel_random.uniform(keys, images.shape[1:])
  salt, hit = draw < row.amount / 2, draw < row.amount
  return jnp.where(salt, 255, jnp.where(hit, 0, images)).astype(jnp.uint8)


def _poisson_quantiles(photons: float) -> np.ndarray:
  """Cumulative distributions of Poisson(v / 255 * photons) for v = 0..255.

  Returns:
    float32 `[256, N]`, N a power of two; entry [v, n] is the chance of at most n counts. Columns
    past the last likely count are 1.
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


class ShotNoise(NamedTuple):
  """How strong shot noise is.

  Attributes:
    photons: their number at full brightness.
  """

  photons: float


def shot_noise(keys: jax.Array, images: jax.Array, row: ShotNoise) -> jax.Array:
  """Poisson(x c) / c: the counting noise of c photons at full brightness.

  A pixel has only 256 possible rates, so the counts come from one table of cumulative
  distributions, inverted by a binary search: a fixed number of look-ups for every pixel, where
  rejection sampling would loop until the last pixel of the batch is accepted.
  """
  table = _poisson_quantiles(row.photons)
  width = table.shape[1]
  flat = jnp.asarray(table.reshape(-1))
  draw = pixel_random.uniform(keys, images.shape[1:])
  start = images.astype(jnp.int32) * width
  count = jnp.zeros(images.shape, jnp.int32)
  step = width // 2
  while step:
    # `count` counts the entries at or below the draw, found bit by bit.
    chance = flat.at[start + count + (step - 1)].get(mode="promise_in_bounds")
    count = jnp.where(chance <= draw, count + step, count)
    step //= 2
  return truncate(count * (255.0 / row.photons))

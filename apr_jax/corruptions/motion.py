"""The motion blur of ImageMagick: a Gaussian trail to one side of every pixel.

Shared by motion_blur and by the falling flakes of snow.
"""

import jax
import jax.numpy as jnp
import numpy as np


def trail(radius: int, sigma: float) -> np.ndarray:
  """Weights of the trail, one per step away from the pixel; they sum to 1.

  ImageMagick's trail has 2 * radius + 1 steps. Steps past 5.3 sigma weigh less than a millionth of
  the first and change no grey level, so they are left out.
  """
  steps = min(2 * radius + 1, int(5.3 * sigma) + 1)
  weights = np.exp(-(np.arange(steps) ** 2) / (2 * sigma**2))
  return weights / weights.sum()


def motion_blur(images: jax.Array, degrees: jax.Array, radius: int, sigma: float) -> jax.Array:
  """Blurs each image along its own direction.

  Step i of the trail reads the pixel at ceil(i cos a - 1/2) columns and ceil(i sin a - 1/2) rows
  from the centre, the nearest pixel of the image where that is outside.

  Args:
    images: uint8 `[B, H, W, C]`.
    degrees: float `[B]`, the direction a, from right to down.
    radius: radius given to ImageMagick, pixels.
    sigma: standard deviation of the trail, pixels.

  Returns:
    float32 `[B, H, W, C]` in [0, 255].
  """
  _, height, width, channels = images.shape
  weights = trail(radius, sigma)
  steps, margin = jnp.arange(len(weights)), len(weights)
  direction = jnp.deg2rad(degrees)[:, None]
  down = jnp.ceil(steps * jnp.sin(direction) - 0.5).astype(jnp.int32) + margin
  right = jnp.ceil(steps * jnp.cos(direction) - 0.5).astype(jnp.int32) + margin
  padding = ((0, 0), (margin, margin), (margin, margin), (0, 0))
  padded = jnp.pad(images, padding, mode="edge").astype(jnp.float32)

  @jax.vmap
  def window(image: jax.Array, top: jax.Array, left: jax.Array) -> jax.Array:
    return jax.lax.dynamic_slice(image, (top, left, 0), (height, width, channels))

  return sum(weight * window(padded, down[:, i], right[:, i]) for i, weight in enumerate(weights))

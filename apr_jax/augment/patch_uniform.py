"""Patch Uniform: uniform noise on a square of each image.

Images are float `[B, H, W, C]` in [0, 1].

It is AugMix's variant of Patch Gaussian, whose noise would be one of the test corruptions. AugMix
does not publish the size and scale that its tuning chose. The defaults are those of Patch Gaussian
in TensorFlow's object detection (tensorflow/models, random_patch_gaussian): a side of up to 250
pixels and a scale of up to 1. Its other rules hold here too: side and scale are drawn uniformly,
the centre uniformly over the pixels, what lies outside the image is cut off, and noisy values are
clipped.

References: Lopes et al., Patch Gaussian, 2019 (https://arxiv.org/abs/1906.02611); AugMix
(https://arxiv.org/abs/1912.02781), Section 4.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import keys, settings
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.square import inside_square


@dataclasses.dataclass(frozen=True)
class PatchUniform(Method):
  """Patch Uniform on the images."""

  size: int = settings.setting(
    0, "largest side of the noisy square in pixels; 0 = off", settings.at_least(0)
  )
  scale: float = settings.setting(
    1.0, "largest amplitude of its uniform noise, in units of [0, 1]", settings.share()
  )

  stage: ClassVar[str] = "pixels"

  @property
  def on(self) -> bool:
    return self.size > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("patch_uniform")
    images = patch_uniform(key, batch.images, self.size, self.scale, positions=batch.positions)
    return batch.change(images=images)


def patch_uniform(
  key: jax.Array,
  images: jax.Array,
  size: int = 250,
  scale: float = 1.0,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Adds noise from U(−s, s) to a square of each image, with s from U(0, `scale`).

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: float `[B, H, W, C]`, in [0, 1].
    size: largest side of the square in pixels; the side is drawn from 1..size.
    scale: largest s, in units of [0, 1].
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[B, H, W, C]`, in [0, 1].
  """

  def draw(key: jax.Array, image: jax.Array) -> jax.Array:
    side_key, centre_key, scale_key, noise_key = jax.random.split(key, 4)
    row, column = jax.random.randint(centre_key, (2,), 0, jnp.array(image.shape[:2]))
    noise = jax.random.uniform(noise_key, image.shape, minval=-1.0)
    return add_noise(
      image,
      noise * jax.random.uniform(scale_key, maxval=scale),
      row,
      column,
      jax.random.randint(side_key, (), 1, size + 1),
    )

  return jax.vmap(draw)(keys.per_image(key, images, positions), images.astype(jnp.float32))


def add_noise(
  image: jax.Array, noise: jax.Array, row: jax.Array, column: jax.Array, side: jax.Array
) -> jax.Array:
  """Adds `noise` in `side` rows from `row − side // 2` on, and columns likewise, and clips there to
  [0, 1].

  Args:
    image, noise: float32 `[H, W, C]`.
    row, column, side: int `[]`.
  """
  height, width, _ = image.shape
  inside = inside_square(height, width, row, column, side)
  return jnp.where(inside[..., None], jnp.clip(image + noise, 0, 1), image)

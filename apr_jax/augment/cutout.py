"""Cutout: a square of each image is blanked. Images are float `[B, H, W, C]` in [0, 1].

The released code blanks normalised images with 0. Here normalisation is the network's first layer,
so the same is a square of the normalisation's mean in [0, 1], which that layer turns into 0.

Reference: DeVries and Taylor, Cutout, 2017 (https://arxiv.org/abs/1708.04552), and its released
code.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys, settings
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.square import inside_square


@dataclasses.dataclass(frozen=True)
class Cutout(Method):
  """Cutout with the mean of the input normalisation."""

  size: int = settings.setting(
    0,
    "side of the blanked square in pixels; 0 = off; the release: 16 on CIFAR-10",
    settings.at_least(0),
  )

  stage: ClassVar[str] = "pixels"

  @property
  def on(self) -> bool:
    return self.size > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("cutout")
    images = cutout(key, batch.images, self.size, batch.mean, positions=batch.positions)
    return batch.change(images=images)


def cutout(
  key: jax.Array,
  images: jax.Array,
  size: int = 16,
  fill: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0),
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Blanks one square per image, its centre uniform over the pixels; what lies outside the image is
  cut off.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: float `[B, H, W, C]`.
    size: side of the square in pixels; an odd one loses its last pixel, as in the released code.
    fill: value per channel.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[B, H, W, C]`.
  """
  height, width = images.shape[1:3]
  centres = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, jnp.array([height, width])))(
    keys.per_image(key, images, positions)
  )
  return jax.vmap(blank, in_axes=(0, 0, 0, None, None))(
    images.astype(jnp.float32), centres[:, 0], centres[:, 1], size, jnp.asarray(fill, jnp.float32)
  )


def blank(
  image: jax.Array, row: jax.Array, column: jax.Array, size: int, fill: jax.Array
) -> jax.Array:
  """Fills the rows from `row − size // 2` up to, not including, `row + size // 2`, and columns
  likewise.

  Args:
    image: float32 `[H, W, C]`.
    row, column: int `[]`.
    size: side in pixels.
    fill: float32 `[C]`.
  """
  height, width, _ = image.shape
  inside = inside_square(height, width, row, column, size // 2 * 2)
  return jnp.where(inside[..., None], fill, image)

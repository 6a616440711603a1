"""JPEG compression: what is left of an image after one encoding and decoding at a given quality.

Only the lossy steps are done: colour transform, halved chroma, block DCT, quantisation and back.
The entropy coding between them loses nothing. The steps and their roundings follow libjpeg, which
Pillow and the benchmark's generator use; ITU-T T.81 gives the tables (annex K) and JFIF 1.02 the
colour transform.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import linear_maps

_LUMA = np.array(
  [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
  ]
)
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# Rows are the cosine waves of the orthonormal 8-point DCT.
_WAVES = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
_WAVES[0] /= np.sqrt(2)

_TO_YCC = np.array(
  [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]],
  np.float32,
)


def quantisation_table(base: np.ndarray, quality: int) -> np.ndarray:
  """The base table scaled to a quality of 1..100 as libjpeg does, integers in 1..255."""
  percent = 5000 // quality if quality < 50 else 200 - 2 * quality
  return np.clip((base * percent + 50) // 100, 1, 255)


def _quantised(plane: jax.Array, table: np.ndarray) -> jax.Array:
  """Encodes and decodes one plane, float `[B, H, W]` with H and W multiples of 8, in 0..255."""
  batch, height, width = plane.shape
  blocks = plane.reshape(batch, height // 8, 8, width // 8, 8) - 128.0
  waves = jnp.asarray(_WAVES, jnp.float32)
  steps = jnp.asarray(table, jnp.float32)[:, None, :]
  # One axis at a time: two small products per block.
  half = jnp.einsum("byixj,vj->byixv", blocks, waves, precision="highest")
  coefficients = jnp.einsum("byixv,ui->byuxv", half, waves, precision="highest")
  # libjpeg's integer DCT gives eighths, which makes exact halves common; it rounds them away from
  # zero.
  eighths = jnp.floor(jnp.abs(coefficients) * 8 + 0.5)
  kept = jnp.sign(coefficients) * jnp.floor((eighths + 4 * steps) / (8 * steps)) * steps
  half = jnp.einsum("byuxv,vj->byuxj", kept, waves, precision="highest")
  decoded = jnp.einsum("byuxj,ui->byixj", half, waves, precision="highest")
  return jnp.clip(jnp.floor(decoded + 128.5), 0, 255).reshape(plane.shape)


def _doubling(size: int) -> np.ndarray:
  """The matrix `[2 * size, size]` that doubles an axis: three quarters of the nearer pixel, one of
  the farther.
  """
  matrix = np.zeros((2 * size, size))
  position = np.arange(2 * size)
  np.add.at(matrix, (position, position // 2), 0.75)
  farther = linear_maps.border_index(position // 2 + np.where(position % 2, 1, -1), size, "edge")
  np.add.at(matrix, (position, farther), 0.25)
  return matrix


class JpegCompression(NamedTuple):
  """How strong JPEG compression is.

  Attributes:
    quality: 1..100.
  """

  quality: int


def jpeg_compression(keys: jax.Array, images: jax.Array, row: JpegCompression) -> jax.Array:
  """JPEG at quality c with chroma of half the resolution (4:2:0).

  Args:
    keys: unused.
    images: uint8 `[B, H, W, 3]`.
    row: the quality.

  Returns:
    uint8 `[B, H, W, 3]`.
  """
  del keys
  _, height, width, _ = images.shape
  padding = ((0, 0), (0, -height % 16), (0, -width % 16), (0, 0))
  levels = jnp.pad(images, padding, mode="edge").astype(jnp.float32)
  red, green, blue = (levels[..., i] for i in range(3))
  luma, *chroma = (
    jnp.floor(a * red + b * green + c * blue + offset + 0.5)
    for (a, b, c), offset in zip(_TO_YCC.tolist(), (0.0, 128.0, 128.0))
  )
  luma = _quantised(luma, quantisation_table(_LUMA, row.quality))[:, :height, :width]

  half_height, half_width = -(-height // 2), -(-width // 2)
  table = quantisation_table(_CHROMA, row.quality)
  restored = []
  for plane in chroma:
    fours = plane[:, ::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, ::2] + plane[:, 1::2, 1::2]
    # libjpeg rounds a half down and up in turn along the row.
    halved = jnp.floor((fours + 1 + jnp.arange(fours.shape[2]) % 2) / 4)
    halved = _quantised(halved, table)[:, :half_height, :half_width, None]
    doubled = linear_maps.apply(halved, _doubling(half_height)[None], _doubling(half_width)[None])[
      ..., 0
    ]
    # The sums are exact sixteenths, and libjpeg again rounds halves in turn.
    doubled = jnp.floor(doubled + (8 - jnp.arange(doubled.shape[2]) % 2) / 16)
    restored.append(doubled[:, :height, :width] - 128.0)
  blueness, redness = restored
  channels = (
    luma + jnp.floor(1.402 * redness + 0.5),
    luma + jnp.floor(-0.344136286 * blueness - 0.714136286 * redness + 0.5),
    luma + jnp.floor(1.772 * blueness + 0.5),
  )
  return jnp.clip(jnp.stack(channels, -1), 0, 255).astype(jnp.uint8)

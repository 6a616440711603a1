"""Filters and resizings as small matrices along the rows and the columns.

Blurs, zooms and resizings are linear and act on rows and columns alike, so each is a matrix for the
rows and one for the columns, the treatment of the border included. The matrices are built in NumPy
while JAX traces, and the image meets nothing but matrix products, which every backend does well;
convolutions are slow on XLA's CPU backend. A filter that is not separable is a sum of a few that
are.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np


def apply(images: jax.Array, row_maps: np.ndarray, column_maps: np.ndarray) -> jax.Array:
  """Sum over k of row_maps[k] @ image @ column_maps[k].T, for every image and channel.

  Args:
    images: float `[B, H, W, C]`.
    row_maps: `[K, H', H]`.
    column_maps: `[K, W', W]`.

  Returns:
    float32 `[B, H', W', C]`.
  """
  chex.assert_rank([images, row_maps, column_maps], [4, 3, 3])
  batch, height, width, channels = images.shape
  # Rows first and columns last, so that both steps are plain two-dimensional products without a
  # transposition.
  rows_first = images.transpose(1, 0, 3, 2).reshape(height, -1)
  total = jnp.zeros((), jnp.float32)
  for row_map, column_map in zip(row_maps, column_maps):
    rows = jnp.matmul(jnp.asarray(row_map, jnp.float32), rows_first, precision="highest")
    columns = jnp.asarray(column_map.T, jnp.float32)
    total += jnp.matmul(rows.reshape(-1, width), columns, precision="highest")
  return total.reshape(row_maps.shape[1], batch, channels, column_maps.shape[1]).transpose(
    1, 0, 3, 2
  )


def border_index(index: np.ndarray, size: int, border: str) -> np.ndarray:
  """Where a pixel outside the image is read from.

  Args:
    index: integer array, any value.
    size: number of pixels along the axis.
    border: "edge" (aaa|abcd|ddd), "reflect" (cba|abcd|dcb) or "reflect101" (dcb|abcd|cba).

  Returns:
    integer array of the same shape, in [0, size).
  """
  if border == "edge":
    return np.clip(index, 0, size - 1)
  if border == "reflect":
    index = np.mod(index, 2 * size)
    return np.minimum(index, 2 * size - 1 - index)
  assert border == "reflect101", border
  index = np.mod(index, 2 * size - 2)
  return np.minimum(index, 2 * size - 2 - index)


def correlation(taps: np.ndarray, size: int, border: str) -> np.ndarray:
  """The matrix `[size, size]` of a correlation with an odd number of taps along one axis."""
  matrix = np.zeros((size, size))
  position = np.arange(size)
  for offset, tap in enumerate(taps, start=-(len(taps) // 2)):
    np.add.at(matrix, (position, border_index(position + offset, size, border)), tap)
  return matrix


def gaussian_taps(sigma: float, truncate: float = 4.0) -> np.ndarray:
  """Normalised Gaussian, cut at `truncate` sigma rounded to the nearest pixel as SciPy does."""
  radius = int(truncate * sigma + 0.5)
  if radius == 0:
    return np.ones(1)
  taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
  return taps / taps.sum()


def gaussian_blur(
  images: jax.Array, sigma: float, border: str = "edge", truncate: float = 4.0
) -> jax.Array:
  """Gaussian blur of float `[B, H, W, C]`; sigma in pixels."""
  taps = gaussian_taps(sigma, truncate)
  if len(taps) == 1:
    return images
  height, width = images.shape[1:3]
  return apply(
    images, correlation(taps, height, border)[None], correlation(taps, width, border)[None]
  )


def correlate(images: jax.Array, kernel: np.ndarray, border: str) -> jax.Array:
  """Correlation of float `[B, H, W, C]` with an odd-sized kernel.

  The singular vectors of the kernel are its separable parts. A disk needs as many as its radius,
  and singular values a millionth of the first change no grey level.
  """
  left, values, right = np.linalg.svd(kernel)
  rank = int((values > 1e-6 * values[0]).sum())
  height, width = images.shape[1:3]
  row_maps = [values[k] * correlation(left[:, k], height, border) for k in range(rank)]
  column_maps = [correlation(right[k], width, border) for k in range(rank)]
  return apply(images, np.stack(row_maps), np.stack(column_maps))


def centre_zoom(size: int, factor: float) -> np.ndarray:
  """The matrix `[size, size]` of a linear zoom into the centre.

  As in the generator: the central ceil(size / factor) pixels are stretched, first pixel to first
  pixel and last to last, to round(that * factor) pixels, of which the central `size` are kept.
  """
  crop = int(np.ceil(size / factor))
  stretched = round(crop * factor)
  first = (size - crop) // 2
  matrix = np.zeros((size, size))
  position = np.arange(size) + (stretched - size) // 2
  place = position * (crop - 1) / (stretched - 1)
  low = np.minimum(place.astype(int), crop - 2)
  np.add.at(matrix, (np.arange(size), first + low), 1 - (place - low))
  np.add.at(matrix, (np.arange(size), first + low + 1), place - low)
  return matrix


def box_resize(size: int, new_size: int) -> np.ndarray:
  """The matrix `[new_size, size]` of Pillow's BOX resize: the mean of the pixels whose centres fall
  in the cell.
  """
  scale = size / new_size
  support = 0.5 * max(scale, 1.0)
  matrix = np.zeros((new_size, size))
  for i in range(new_size):
    centre = (i + 0.5) * scale
    cells = np.arange(max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size))
    offset = (cells - centre + 0.5) / max(scale, 1.0)
    inside = cells[(offset > -0.5) & (offset <= 0.5)]
    matrix[i, inside] = 1 / len(inside)
  return matrix

"""Spatter: drops of water or mud on the lens.

Follows the generator (Hendrycks & Dietterich 2019, repository hendrycks/robustness), whose water is
shaded by a chain of OpenCV operations on an eight-bit layer: Canny edges, distance to the edges,
histogram equalisation, an emboss filter. Each is written here for a whole batch.
"""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import linear_maps, pixel_random
from apr_jax.corruptions.eight_bits import TOLERANCE, truncate

WATER = np.array([175, 238, 238], np.float32)
MUD = np.array([63, 42, 20], np.float32)
_LOW, _HIGH = 50, 150  # Canny's thresholds
_FARTHEST = 20  # distances are cut here
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
# tan(22.5 degrees), below which a gradient counts as horizontal.
_FLAT = np.tan(np.pi / 8)


def _neighbours(plane: jax.Array, mode: str, reach: int = 1) -> dict[tuple[int, int], jax.Array]:
  """The plane `[B, H, W]` seen from each offset (down, right) up to `reach`.

  It is padded as `jnp.pad` does by `mode`.
  """
  _, height, width = plane.shape
  padded = jnp.pad(plane, ((0, 0), (reach, reach), (reach, reach)), mode=mode)
  return {
    (down, right): padded[
      :, reach + down : reach + down + height, reach + right : reach + right + width
    ]
    for down in range(-reach, reach + 1)
    for right in range(-reach, reach + 1)
  }


def _sum(planes: Iterable[jax.Array]) -> jax.Array:
  return functools.reduce(jnp.add, planes)


def edges(layer: jax.Array) -> jax.Array:
  """Canny edges of a layer: Sobel gradient, ridges of its L1 norm, and hysteresis between 50 and
  150.

  Args:
    layer: float `[B, H, W]`, integers in 0..255.

  Returns:
    bool `[B, H, W]`.
  """
  near = _neighbours(layer, "edge")
  sobel = ((-1, 1), (0, 2), (1, 1))
  right = _sum(weight * (near[down, 1] - near[down, -1]) for down, weight in sobel)
  below = _sum(weight * (near[1, side] - near[-1, side]) for side, weight in sobel)
  strength = jnp.abs(right) + jnp.abs(below)
  beside = _neighbours(strength, "constant")
  flat = jnp.abs(below) < _FLAT * jnp.abs(right)
  steep = jnp.abs(below) > (2 + _FLAT) * jnp.abs(right)
  # A ridge may be as strong as its later neighbour along the axes, but not along a diagonal.
  across = (strength > beside[0, -1]) & (strength >= beside[0, 1])
  along = (strength > beside[-1, 0]) & (strength >= beside[1, 0])
  falling = (strength > beside[-1, -1]) & (strength > beside[1, 1])
  rising = (strength > beside[-1, 1]) & (strength > beside[1, -1])
  diagonal = jnp.where(right * below < 0, rising, falling)
  ridge = jnp.where(flat, across, jnp.where(steep, along, diagonal))
  candidate, sure = ridge & (strength > _LOW), ridge & (strength > _HIGH)

  def grow(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    found, _ = state
    near = _neighbours(found, "constant")
    grown = candidate & jnp.any(jnp.stack(list(near.values())), 0)
    return grown, jnp.any(grown != found)

  return jax.lax.while_loop(lambda state: state[1], grow, (sure, jnp.any(sure)))[0]


def edge_distance(edge: jax.Array) -> jax.Array:
  """Euclidean distance to the nearest edge pixel, cut at 20.

  OpenCV sums steps of a 5x5 mask, which differs from the true distance by at most 2 %.

  Args:
    edge: bool `[B, H, W]`.

  Returns:
    float32 `[B, H, W]`.
  """
  squares = jnp.where(edge, 0.0, float(_FARTHEST**2))
  for axis in (1, 2):
    reach = min(_FARTHEST, edge.shape[axis] - 1)
    padding = [(reach, reach) if i == axis else (0, 0) for i in range(3)]
    padded = jnp.pad(squares, padding, constant_values=float(_FARTHEST**2))
    size = edge.shape[axis]
    for offset in range(-reach, reach + 1):
      moved = jax.lax.slice_in_dim(padded, reach + offset, reach + offset + size, axis=axis)
      squares = jnp.minimum(squares, moved + float(offset**2))
  return jnp.sqrt(squares)


def equalise(plane: jax.Array) -> jax.Array:
  """Histogram equalisation of integers in 0..20, as OpenCV's: the least level present becomes 0,
  the highest 255.

  Args:
    plane: float `[B, H, W]`.

  Returns:
    float32 `[B, H, W]`, integers; a constant plane is returned as it is.
  """
  total = plane.shape[1] * plane.shape[2]
  least = plane.min((1, 2), keepdims=True)
  of_least = (plane == least).sum((1, 2), keepdims=True)
  below = jnp.stack([(plane <= level).sum((1, 2)) for level in range(_FARTHEST + 1)], -1)
  rank = jnp.take_along_axis(
    below, plane.astype(jnp.int32).reshape(len(plane), -1), axis=1
  ).reshape(plane.shape)
  equal = jnp.round((rank - of_least) * (255.0 / jnp.maximum(total - of_least, 1)))
  return jnp.where(of_least == total, plane, equal)


def _mean_filter(plane: jax.Array) -> jax.Array:
  """The mean over 3x3 pixels of `[B, H, W]`."""
  return _sum(_neighbours(plane, "reflect").values()) / 9


def shading(layer: jax.Array) -> jax.Array:
  """How bright the water is: its thickness times an embossed relief of the distance to its edges.

  Args:
    layer: float `[B, H, W]`, integers in 0..255.

  Returns:
    float32 `[B, H, W]` with maximum 1, or all 0 where there is no water. (The generator divides by
    0 there.)
  """
  distance = jnp.floor(_mean_filter(edge_distance(edges(layer))) + TOLERANCE)
  near = _neighbours(equalise(distance), "reflect")
  relief = _sum(_EMBOSS[down + 1, right + 1] * plane for (down, right), plane in near.items())
  relief = jnp.round(_mean_filter(jnp.clip(relief, 0, 255)))
  lit = layer * relief
  return lit / jnp.maximum(lit.max((1, 2), keepdims=True), 1.0)


class Spatter(NamedTuple):
  """How strong spatter is.

  Attributes:
    mean: of the liquid.
    scale: its standard deviation.
    sigma: of its smoothing in pixels.
    threshold: above which it shows.
    strength: weight of the water, or sigma of the mud's border in pixels.
    is_mud: mud, not water.
  """

  mean: float
  scale: float
  sigma: float
  threshold: float
  strength: float
  is_mud: bool


def spatter(keys: jax.Array, images: jax.Array, row: Spatter) -> jax.Array:
  """Liquid where smoothed noise exceeds a threshold: water adds pale turquoise, mud covers with
  brown.

  Args:
    keys: uint32 `[B, 2]`, see `pixel_random`.
    images: uint8 `[B, H, W, 3]`.
    row: the liquid.

  Returns:
    uint8 `[B, H, W, 3]`.
  """
  levels = images.astype(jnp.float32)
  noise = row.mean + row.scale * pixel_random.normal(keys, (*images.shape[1:3], 1))
  liquid = linear_maps.gaussian_blur(noise, row.sigma)
  wet = liquid >= row.threshold
  if row.is_mud:
    cover = linear_maps.gaussian_blur(wet.astype(jnp.float32), row.strength)
    cover = jnp.where(cover < 0.8, 0.0, cover)
    return truncate(levels * (1 - cover) + MUD * cover)
  layer = truncate(255.0 * jnp.where(wet, liquid, 0.0)).astype(jnp.float32)[..., 0]
  return truncate(levels + row.strength * shading(layer)[..., None] * WATER)

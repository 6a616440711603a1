"""Digital and colour corruptions: brightness, contrast, saturation, elastic transform, pixelation.

Every corruption takes `keys` (uint32 `[B, 2]`, see `pixel_random`), `images` (uint8
`[B, H, W, 3]`) and the numbers that say how strong it is (see `parameters.at`). It returns uint8 of
the same shape. Where nothing is drawn `keys` is unused.
JPEG has its own file. Source: Hendrycks & Dietterich 2019, repository hendrycks/robustness.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import linear_maps, pixel_random, sampling
from apr_jax.corruptions.eight_bits import truncate


class Brightness(NamedTuple):
  """How strong brightness is.

  Attributes:
    shift: added to the value of HSV.
  """

  shift: float


def brightness(keys: jax.Array, images: jax.Array, row: Brightness) -> jax.Array:
  """HSV with c added to the value, clipped at 1.

  With hue and saturation kept, all three channels are proportional to the value, so raising it is
  one factor per pixel; black has none and turns grey.
  """
  del keys
  levels = images.astype(jnp.float32)
  value = levels.max(-1, keepdims=True)
  raised = jnp.minimum(value + 255.0 * row.shift, 255.0)
  brighter = levels * (raised / jnp.maximum(value, 1.0))
  return truncate(jnp.where(value > 0, brighter, raised))


class Saturate(NamedTuple):
  """How strong saturation is.

  Attributes:
    factor: on the saturation of HSV.
    shift: added to it.
  """

  factor: float
  shift: float


def saturate(keys: jax.Array, images: jax.Array, row: Saturate) -> jax.Array:
  """HSV with the saturation times a plus b, clipped to [0, 1].

  With hue and value kept, a channel's distance below the value is proportional to the saturation.
  Grey has no hue to keep; the generator's HSV gives it hue 0, so it turns towards red where b > 0.
  """
  del keys
  levels = images.astype(jnp.float32)
  value = levels.max(-1, keepdims=True)
  below = value - levels
  saturation = below.max(-1, keepdims=True) / jnp.maximum(value, 1.0)
  new = jnp.clip(saturation * row.factor + row.shift, 0.0, 1.0)
  towards_red = value * new * jnp.array([0.0, 1.0, 1.0])
  scaled = below * (new / jnp.maximum(saturation, 1e-6))
  return truncate(value - jnp.where(saturation > 0, scaled, towards_red))


class Contrast(NamedTuple):
  """How strong contrast is.

  Attributes:
    factor: on the distance from the mean.
  """

  factor: float


def contrast(keys: jax.Array, images: jax.Array, row: Contrast) -> jax.Array:
  """(x - mean) c + mean, with the mean of each channel of the image."""
  del keys
  levels = images.astype(jnp.float32)
  mean = levels.mean((1, 2), keepdims=True)
  return truncate((levels - mean) * row.factor + mean)


class Pixelate(NamedTuple):
  """How strong pixelation is.

  Attributes:
    factor: on the size.
  """

  factor: float


def pixelate(keys: jax.Array, images: jax.Array, row: Pixelate) -> jax.Array:
  """Pillow's box resize to int(size * c) pixels and back; rounded after each pass, as eight bits
  are.
  """
  del keys
  levels = images.astype(jnp.float32)
  sizes = images.shape[1:3]
  small = [max(int(size * row.factor), 1) for size in sizes]
  for before, after in ((sizes, small), (small, sizes)):
    row_map = linear_maps.box_resize(before[0], after[0])[None]
    column_map = linear_maps.box_resize(before[1], after[1])[None]
    # Pillow resizes along the width first; the tolerance decides sums that fall on a half as exact
    # ones would.
    levels = linear_maps.apply(levels, np.eye(before[0])[None], column_map)
    levels = jnp.floor(levels + 0.5 + 1e-4)
    levels = jnp.floor(linear_maps.apply(levels, row_map, np.eye(after[1])[None]) + 0.5 + 1e-4)
  return levels.astype(jnp.uint8)


def affine_places(moves: jax.Array, height: int, width: int) -> tuple[jax.Array, jax.Array]:
  """Where each pixel of an image is read from after the affine map that moves three points as
  given.

  The points lie at the centre plus (r, r), (r, -r) and (-r, -r), with r a third of the shorter
  side.

  Args:
    moves: float `[B, 3, 2]`, how far each point moves (pixels), x before y.
    height, width: size of the image.

  Returns:
    rows, columns: float `[B, H, W]`.
  """
  # As in the generator, "centre" is (H // 2, W // 2) taken as (x, y), which matters only off the
  # square.
  centre = np.array([height // 2, width // 2], np.float32)
  reach = min(height, width) // 3
  points = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
  moved = points + moves
  # The inverse map takes the moved points back: two edges of the triangle and one corner determine
  # it.
  along = points[0] - points[1]
  across = points[1] - points[2]
  moved_along = moved[:, 0] - moved[:, 1]
  moved_across = moved[:, 1] - moved[:, 2]
  area = moved_along[:, 0] * moved_across[:, 1] - moved_along[:, 1] * moved_across[:, 0]
  x = np.arange(width, dtype=np.float32) - moved[:, 1, 0, None, None]
  y = np.arange(height, dtype=np.float32)[:, None] - moved[:, 1, 1, None, None]
  a, b = moved_along[:, 0, None, None], moved_along[:, 1, None, None]
  c, d = moved_across[:, 0, None, None], moved_across[:, 1, None, None]
  of_along = (x * d - y * c) / area[:, None, None]
  of_across = (y * a - x * b) / area[:, None, None]
  columns = points[1, 0] + of_along * along[0] + of_across * across[0]
  rows = points[1, 1] + of_along * along[1] + of_across * across[1]
  return rows, columns


class ElasticTransform(NamedTuple):
  """How strong the elastic transform is.

  Attributes:
    amplitude: of the displacement in pixels.
    sigma: standard deviation of its smoothing in pixels.
    reach: how far the affine map's three points move in pixels.
  """

  amplitude: float
  sigma: float
  reach: float


def elastic_transform(keys: jax.Array, images: jax.Array, row: ElasticTransform) -> jax.Array:
  """A random affine map, then a smooth random displacement of every pixel.

  The points of the map move by U(-c3, c3); the displacement is U(-1, 1) smoothed by a Gaussian of
  sigma c2, cut at 3 sigma, times c1 pixels. Both steps interpolate bilinearly.
  """
  _, height, width, _ = images.shape
  move_keys, field_keys = pixel_random.split(keys, 2)
  moves = pixel_random.uniform(move_keys, (3, 2), -row.reach, row.reach)
  rows, columns = affine_places(moves, height, width)
  levels = sampling.bilinear(images.astype(jnp.float32), rows, columns, repeat_edge=False)
  if row.amplitude == 0:
    return truncate(levels)
  fields = pixel_random.uniform(field_keys, (height, width, 2), -1.0, 1.0)
  smooth = linear_maps.gaussian_blur(fields, row.sigma, border="reflect", truncate=3.0)
  displacement = row.amplitude * smooth
  rows = jnp.arange(height)[:, None] + displacement[..., 1]
  columns = jnp.arange(width) + displacement[..., 0]
  return truncate(sampling.bilinear(levels, rows, columns, repeat_edge=True))

"""Digital and colour corruptions: brightness, contrast, saturation, elastic transform, pixelation.

Every function takes `seeds` (uint32 [B, 2], see `draws`), `images` (uint8 [B, H, W, 3]) and the row
of `parameters.at`, and returns uint8 of the same shape; `seeds` is unused where nothing is drawn.
JPEG has its own file. Source: Hendrycks & Dietterich 2019, repository hendrycks/robustness.
"""

import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import draws, linear_maps, sampling
from apr_jax.corruptions.levels import truncate


def brightness(seeds, images, row):
  """HSV with c added to the value, clipped at 1.

  With hue and saturation kept, all three channels are proportional to the value, so raising it is
  one factor per pixel; black has none and turns grey.
  """
  del seeds
  (shift,) = row
  levels = images.astype(jnp.float32)
  value = levels.max(-1, keepdims=True)
  raised = jnp.minimum(value + 255.0 * shift, 255.0)
  return truncate(jnp.where(value > 0, levels * (raised / jnp.maximum(value, 1.0)), raised))


def saturate(seeds, images, row):
  """HSV with the saturation times a plus b, clipped to [0, 1].

  With hue and value kept, a channel's distance below the value is proportional to the saturation.
  Grey has no hue to keep; the generator's HSV gives it hue 0, so it turns towards red where b > 0.
  """
  del seeds
  factor, shift = row
  levels = images.astype(jnp.float32)
  value = levels.max(-1, keepdims=True)
  below = value - levels
  saturation = below.max(-1, keepdims=True) / jnp.maximum(value, 1.0)
  new = jnp.clip(saturation * factor + shift, 0.0, 1.0)
  towards_red = value * new * jnp.array([0.0, 1.0, 1.0])
  return truncate(
    value - jnp.where(saturation > 0, below * (new / jnp.maximum(saturation, 1e-6)), towards_red)
  )


def contrast(seeds, images, row):
  """(x - mean) c + mean, with the mean of each channel of the image."""
  del seeds
  (factor,) = row
  levels = images.astype(jnp.float32)
  mean = levels.mean((1, 2), keepdims=True)
  return truncate((levels - mean) * factor + mean)


def pixelate(seeds, images, row):
  """Pillow's box resize to int(size * c) pixels and back; rounded after each pass, as eight bits
  are.
  """
  del seeds
  (factor,) = row
  levels = images.astype(jnp.float32)
  sizes = images.shape[1:3]
  small = [max(int(size * factor), 1) for size in sizes]
  for before, after in ((sizes, small), (small, sizes)):
    row_map, column_map = (linear_maps.box_resize(*pair)[None] for pair in zip(before, after))
    # Pillow resizes along the width first; the tolerance decides sums that fall on a half as exact
    # ones would.
    levels = linear_maps.apply(levels, np.eye(before[0])[None], column_map)
    levels = jnp.floor(levels + 0.5 + 1e-4)
    levels = jnp.floor(linear_maps.apply(levels, row_map, np.eye(after[1])[None]) + 0.5 + 1e-4)
  return levels.astype(jnp.uint8)


def affine_places(moves, height: int, width: int):
  """Where each pixel of an image is read from after the affine map that moves three points as
  given.

  The points lie at the centre plus (r, r), (r, -r) and (-r, -r), with r a third of the shorter
  side.

  Args:
    moves: float [B, 3, 2], how far each point moves (pixels), x before y.
    height, width: size of the image.

  Returns:
    rows, columns: float [B, H, W].
  """
  # As in the generator, "centre" is (H // 2, W // 2) taken as (x, y), which matters only off the
  # square.
  centre = np.array([height // 2, width // 2], np.float32)
  reach = min(height, width) // 3
  points = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
  moved = points + moves
  # The inverse map takes the moved points back: two edges of the triangle and one corner determine
  # it.
  along, across = points[0] - points[1], points[1] - points[2]
  moved_along, moved_across = moved[:, 0] - moved[:, 1], moved[:, 1] - moved[:, 2]
  area = moved_along[:, 0] * moved_across[:, 1] - moved_along[:, 1] * moved_across[:, 0]
  x, y = (np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None])
  x, y = x - moved[:, 1, 0, None, None], y - moved[:, 1, 1, None, None]
  a, b, c, d = (edge[:, i, None, None] for edge in (moved_along, moved_across) for i in (0, 1))
  of_along, of_across = (x * d - y * c) / area[:, None, None], (y * a - x * b) / area[:, None, None]
  columns = points[1, 0] + of_along * along[0] + of_across * across[0]
  rows = points[1, 1] + of_along * along[1] + of_across * across[1]
  return rows, columns


def elastic_transform(seeds, images, row):
  """A random affine map, then a smooth random displacement of every pixel.

  The points of the map move by U(-c3, c3); the displacement is U(-1, 1) smoothed by a Gaussian of
  sigma c2, cut at 3 sigma, times c1 pixels. Both steps interpolate bilinearly.
  """
  amplitude, sigma, reach = row
  _, height, width, _ = images.shape
  move_seeds, field_seeds = draws.split(seeds, 2)
  rows, columns = affine_places(draws.uniform(move_seeds, (3, 2), -reach, reach), height, width)
  levels = sampling.bilinear(images.astype(jnp.float32), rows, columns, repeat_edge=False)
  if amplitude == 0:
    return truncate(levels)
  fields = draws.uniform(field_seeds, (height, width, 2), -1.0, 1.0)
  moves = amplitude * linear_maps.gaussian_blur(fields, sigma, border="reflect", truncate=3.0)
  rows = jnp.arange(height)[:, None] + moves[..., 1]
  columns = jnp.arange(width) + moves[..., 0]
  return truncate(sampling.bilinear(levels, rows, columns, repeat_edge=True))

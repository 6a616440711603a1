"""Blurs: Gaussian, glass, defocus, motion and zoom.

Every function takes `seeds` (uint32 [B, 2], see `draws`), `images` (uint8 [B, H, W, 3]) and the row
of `parameters.at`, and returns uint8 of the same shape; `seeds` is unused where nothing is drawn.
Source: Hendrycks & Dietterich 2019, repository hendrycks/robustness.
"""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import draws, linear_maps, motion
from apr_jax.corruptions.levels import truncate


def gaussian_blur(seeds, images, row):
  """Gaussian blur of sigma c, cut at 4 sigma; the edge is repeated outwards."""
  del seeds
  (sigma,) = row
  return truncate(linear_maps.gaussian_blur(images.astype(jnp.float32), sigma))


def defocus_kernel(radius: float, sigma: float) -> np.ndarray:
  """The disk of a lens out of focus, smoothed a little; odd-sized and square.

  The benchmark draws the disk on a grid of +-8 pixels, beyond radius 8 of +-radius, and smooths it
  with a 3x3, beyond radius 8 a 5x5, Gaussian, reflected at the border of that grid. A disk that
  touches this border gains weight by the reflection, so at radius 8 and above the blur brightens by
  about a percent, here as there.
  """
  reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
  axis = np.arange(-reach, reach + 1)
  disk = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(float)
  smoothing = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * sigma**2))
  smoother = linear_maps.correlation(smoothing / smoothing.sum(), len(axis), "reflect101")
  return smoother @ (disk / disk.sum()) @ smoother.T


def defocus_blur(seeds, images, row):
  """Correlation with the disk of radius r; the border is reflected without repeating the edge."""
  del seeds
  return truncate(
    linear_maps.correlate(images.astype(jnp.float32), defocus_kernel(*row), "reflect101")
  )


def motion_blur(seeds, images, row):
  """A trail in a direction drawn from U(-45, 45) degrees."""
  degrees = draws.uniform(seeds, (1,), -45.0, 45.0)[:, 0]
  return truncate(motion.motion_blur(images, degrees, *row))


def zoom_blur(seeds, images, row):
  """The mean of the image and its zooms into the centre by 1, 1 + step, ... up to `stop`."""
  del seeds
  stop, step = row
  # Half of the published ranges include `stop` and half do not, as floating point has it: arange
  # decides again.
  factors = np.arange(1, stop, step)
  height, width = images.shape[1:3]
  row_maps = [np.eye(height)] + [linear_maps.centre_zoom(height, factor) for factor in factors]
  column_maps = [np.eye(width)] + [linear_maps.centre_zoom(width, factor) for factor in factors]
  total = linear_maps.apply(images.astype(jnp.float32), np.stack(row_maps), np.stack(column_maps))
  return truncate(total / (len(factors) + 1))


def walk(down: jax.Array, right: jax.Array, reach: int) -> jax.Array:
  """One scan of glass blur: which pixel each pixel shows afterwards.

  The generator walks from the bottom right to the top left and, at each pixel p, writes the pixel
  found at p + offset into p. (It means to swap the two, but its assignment goes through NumPy
  views, so the value at p is lost and the other pixel keeps its own.) If p + offset comes later in
  the walk, it still shows its old self and p shows that. If it came earlier, p shows what p +
  offset shows by then. Following these links from p, always to earlier pixels, ends at the first
  link that leads to a pixel not yet walked over: that one's old self is what p shows. Doubling the
  links resolves every chain of n in log2(n) look-ups for all pixels at once, exactly as the walk
  would for the same offsets.

  Args:
    down, right: int32 [B, H, W], the offset of every pixel, in [-reach, reach).
    reach: width of the border that the walk leaves alone.

  Returns:
    int32 [B, H * W], the place p = row * W + column of the pixel shown.
  """
  height, width = down.shape[1:]
  rows, columns = np.arange(height)[:, None], np.arange(width)
  # The walk ends on `size - reach` itself, one past a symmetric border, as in the generator.
  walked = (
    (rows > reach) & (rows <= height - reach) & (columns > reach) & (columns <= width - reach)
  )
  pixel = np.arange(height * width, dtype=np.int32)
  moved = pixel.reshape(height, width) + down * width + right
  source = jnp.where(walked, moved, pixel.reshape(height, width)).reshape(-1, height * width)
  if reach == 1:
    # Offsets are -1 or 0: no source was walked over before.
    return source
  earlier = jnp.asarray(walked.reshape(-1))[source] & (source > pixel)
  link = jnp.where(earlier, source, pixel)
  for _ in range(int(np.ceil(np.log2(height * width)))):
    link = jnp.take_along_axis(link, link, axis=1, mode="promise_in_bounds")
  return jnp.take_along_axis(source, link, axis=1, mode="promise_in_bounds")


def glass_blur(seeds, images, row):
  """Gaussian blur, pixels replaced by near ones `scans` times, Gaussian blur again."""
  sigma, reach, scans = row
  batch, height, width, channels = images.shape
  frosted = truncate(linear_maps.gaussian_blur(images.astype(jnp.float32), sigma))
  shown = None
  for scan_seeds in draws.split(seeds, scans):
    down, right = (
      (draws.bits(axis_seeds, (height, width)) % (2 * reach)).astype(jnp.int32) - reach
      for axis_seeds in draws.split(scan_seeds, 2)
    )
    source = walk(down, right, reach)
    # The second scan moves what the first has left: look up the first's map through the second's.
    shown = (
      source
      if shown is None
      else jnp.take_along_axis(shown, source, axis=1, mode="promise_in_bounds")
    )
  frosted = jnp.take_along_axis(
    frosted.reshape(batch, height * width, channels),
    shown[..., None],
    axis=1,
    mode="promise_in_bounds",
  )
  return truncate(
    linear_maps.gaussian_blur(frosted.reshape(images.shape).astype(jnp.float32), sigma)
  )

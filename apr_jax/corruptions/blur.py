"""Blurs: Gaussian, glass, defocus, motion and zoom.

Every corruption takes `keys` (uint32 `[B, 2]`, see `pixel_random`), `images` (uint8
`[B, H, W, 3]`) and the numbers that say how strong it is (see `parameters.at`). It returns uint8 of
the same shape. Where nothing is drawn `keys` is unused.
Source: Hendrycks & Dietterich 2019, repository hendrycks/robustness.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import linear_maps, motion, pixel_random
from apr_jax.corruptions.eight_bits import truncate


class GaussianBlur(NamedTuple):
  """How strong the Gaussian blur is.

  Attributes:
    sigma: standard deviation in pixels.
  """

  sigma: float


def gaussian_blur(keys: jax.Array, images: jax.Array, row: GaussianBlur) -> jax.Array:
  """Gaussian blur of sigma c, cut at 4 sigma; the edge is repeated outwards."""
  del keys
  return truncate(linear_maps.gaussian_blur(images.astype(jnp.float32), row.sigma))


def defocus_kernel(radius: float, sigma: float) -> np.ndarray:
  """The disk of a lens out of focus, smoothed a little; odd-sized and square.

  The benchmark draws the disk on a grid of +-8 pixels, beyond radius 8 of +-radius, and smooths it
  with a 3x3, beyond radius 8 a 5x5, Gaussian, reflected at the border of that grid. A disk that
  touches this border gains weight by the reflection, so at radius 8 and above the blur brightens by
  about a percent, here as there.
  """
  small = radius <= 8
  reach = 8 if small else int(radius)
  taps = 1 if small else 2
  axis = np.arange(-reach, reach + 1)
  disk = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(float)
  smoothing = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * sigma**2))
  smoother = linear_maps.correlation(smoothing / smoothing.sum(), len(axis), "reflect101")
  return smoother @ (disk / disk.sum()) @ smoother.T


class DefocusBlur(NamedTuple):
  """How strong the defocus blur is.

  Attributes:
    radius: of the disk in pixels.
    sigma: standard deviation of its smoothing in pixels.
  """

  radius: float
  sigma: float


def defocus_blur(keys: jax.Array, images: jax.Array, row: DefocusBlur) -> jax.Array:
  """Correlation with the disk of radius r; the border is reflected without repeating the edge."""
  del keys
  kernel = defocus_kernel(row.radius, row.sigma)
  return truncate(linear_maps.correlate(images.astype(jnp.float32), kernel, "reflect101"))


class MotionBlur(NamedTuple):
  """How strong the motion blur is.

  Attributes:
    radius: of the one-sided line in pixels.
    sigma: standard deviation along it in pixels.
  """

  radius: int
  sigma: float


def motion_blur(keys: jax.Array, images: jax.Array, row: MotionBlur) -> jax.Array:
  """A trail in a direction drawn from U(-45, 45) degrees."""
  degrees = pixel_random.uniform(keys, (1,), -45.0, 45.0)[:, 0]
  return truncate(motion.motion_blur(images, degrees, row.radius, row.sigma))


class ZoomBlur(NamedTuple):
  """How strong the zoom blur is.

  Attributes:
    stop: end of the range of zoom factors, which begins at 1.
    step: of that range.
  """

  stop: float
  step: float


def zoom_blur(keys: jax.Array, images: jax.Array, row: ZoomBlur) -> jax.Array:
  """The mean of the image and its zooms into the centre by 1, 1 + step, ... up to `stop`."""
  del keys
  # Half of the published ranges include `stop` and half do not, as floating point has it: arange
  # decides again.
  factors = np.arange(1, row.stop, row.step)
  height, width = images.shape[1:3]
  row_maps = [linear_maps.centre_zoom(height, factor) for factor in factors]
  column_maps = [linear_maps.centre_zoom(width, factor) for factor in factors]
  total = linear_maps.apply(
    images.astype(jnp.float32),
    np.stack([np.eye(height), *row_maps]),
    np.stack([np.eye(width), *column_maps]),
  )
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
    down, right: int32 `[B, H, W]`, the offset of every pixel, in [-reach, reach).
    reach: width of the border that the walk leaves alone.

  Returns:
    int32 `[B, H * W]`, the place p = row * W + column of the pixel shown.
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


class GlassBlur(NamedTuple):
  """How strong the glass blur is.

  Attributes:
    sigma: standard deviation of both blurs in pixels.
    reach: largest offset in pixels.
    scans: how often pixels are replaced.
  """

  sigma: float
  reach: int
  scans: int


def glass_blur(keys: jax.Array, images: jax.Array, row: GlassBlur) -> jax.Array:
  """Gaussian blur, pixels replaced by near ones `scans` times, Gaussian blur again."""
  batch, height, width, channels = images.shape
  frosted = truncate(linear_maps.gaussian_blur(images.astype(jnp.float32), row.sigma))
  shown = None
  for scan_keys in pixel_random.split(keys, row.scans):
    down_keys, right_keys = pixel_random.split(scan_keys, 2)
    down = _offsets(down_keys, height, width, row.reach)
    right = _offsets(right_keys, height, width, row.reach)
    source = walk(down, right, row.reach)
    # The second scan moves what the first has left: look up the first's map through the second's.
    shown = (
      source
      if shown is None
      else jnp.take_along_axis(shown, source, axis=1, mode="promise_in_bounds")
    )
  pixels = frosted.reshape(batch, height * width, channels)
  if shown is not None:
    pixels = jnp.take_along_axis(pixels, shown[..., None], axis=1, mode="promise_in_bounds")
  levels = pixels.reshape(images.shape).astype(jnp.float32)
  return truncate(linear_maps.gaussian_blur(levels, row.sigma))


def _offsets(keys: jax.Array, height: int, width: int, reach: int) -> jax.Array:
  """Uniform integers in [-reach, reach), int32 `[B, height, width]`."""
  words = pixel_random.bits(keys, (height, width))
  return (words % (2 * reach)).astype(jnp.int32) - reach

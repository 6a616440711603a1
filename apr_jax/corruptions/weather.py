"""Weather: snow, frost and fog.

Every corruption takes `keys` (uint32 `[B, 2]`, see `pixel_random`), `images` (uint8
`[B, H, W, 3]`) and the numbers that say how strong it is (see `parameters.at`). It returns uint8 of
the same shape. Spatter has its own file. Source: Hendrycks & Dietterich 2019,
repository hendrycks/robustness.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import linear_maps, motion, pixel_random
from apr_jax.corruptions.eight_bits import truncate


class Snow(NamedTuple):
  """How strong snow is.

  Attributes:
    mean: of the flakes.
    scale: their standard deviation.
    zoom: factor on their size.
    threshold: below which there is none.
    radius: of the fall in pixels.
    sigma: of the fall in pixels.
    share: weight of the image.
  """

  mean: float
  scale: float
  zoom: float
  threshold: float
  radius: int
  sigma: float
  share: float


def snow(keys: jax.Array, images: jax.Array, row: Snow) -> jax.Array:
  """Bright specks that fall in streaks, before an image made paler.

  The flakes are the peaks of a zoomed noise layer above a threshold, in eight bits, blurred along a
  direction drawn from U(-135, -45) degrees and truncated to eight bits again; the layer is added as
  it is and rotated by 180 degrees.
  """
  height, width = images.shape[1:3]
  flake_keys, fall_keys = pixel_random.split(keys, 2)
  flakes = row.mean + row.scale * pixel_random.normal(flake_keys, (height, width, 1))
  flakes = linear_maps.apply(
    flakes,
    linear_maps.centre_zoom(height, row.zoom)[None],
    linear_maps.centre_zoom(width, row.zoom)[None],
  )
  flakes = truncate(255.0 * jnp.where(flakes < row.threshold, 0.0, flakes))
  degrees = pixel_random.uniform(fall_keys, (1,), -135.0, -45.0)[:, 0]
  # Only where there are flakes to fall. What this saves is less the rare blur of nothing than a
  # fusion: XLA keeps a branch apart, and inside the composition below the blur ran several times
  # slower on a CPU.
  layer = jax.lax.cond(
    jnp.any(flakes > 0),
    lambda: truncate(motion.motion_blur(flakes, degrees, row.radius, row.sigma)),
    lambda: flakes,
  )
  layer = layer.astype(jnp.float32)
  levels = images.astype(jnp.float32)
  red, green, blue = (levels[..., i : i + 1] for i in range(3))
  grey = 0.299 * red + 0.587 * green + 0.114 * blue
  paler = row.share * levels + (1 - row.share) * jnp.maximum(levels, grey * 1.5 + 127.5)
  return truncate(paler + layer + layer[:, ::-1, ::-1])


class FrostLook(NamedTuple):
  """What a photograph of frost looks like, as far as 32-pixel crops of it show.

  Attributes:
    mean: colour, levels per channel.
    deviation: standard deviation inside a crop, levels per channel.
    shift: standard deviation of a crop's brightness around the mean, levels.
    common: share of the variance that the channels have in common.
    slope: decline of the power with frequency, log-log.
  """

  mean: tuple[float, float, float]
  deviation: tuple[float, float, float]
  shift: float
  common: float
  slope: float


# Estimated from 120 pairs of a frosted benchmark image and its clean original, by taking out the
# original: first and second moments.
_PALE = FrostLook((203, 207, 216), (17, 17.5, 18), 5, 0.97, 1.1)  # fine white crystals
_WATER = FrostLook((74, 149, 166), (21.5, 13.5, 13), 9, 0.72, 1.4)  # frozen water
_GREY = FrostLook((142, 157, 169), (26.5, 26.5, 27), 12, 0.97, 0.9)  # grey, with bright points
_DARK = FrostLook((100, 112, 122), (35, 34.5, 34), 8, 0.98, 1.2)  # dark ground between crystals
# The benchmark draws one of five photographs; two of them are pale.
FROST_LOOKS = (_PALE, _PALE, _WATER, _GREY, _DARK)


def frost_texture(keys: jax.Array, height: int, width: int) -> jax.Array:
  """Procedural frost, float32 `[B, H, W, 3]` in 0..255.

  The benchmark crops one of five photographs, which are not shipped. Here each image draws one of
  the five looks and a Gaussian random field with a power-law spectrum, coloured by it. The law is
  in cycles per image, not per pixel: a 224-pixel crop of a photograph and a 32-pixel crop of the
  photograph at a fifth of its size show nearly the same piece of it.
  """
  look_keys, shift_keys, field_keys = pixel_random.split(keys, 3)
  look = pixel_random.bits(look_keys, (1,))[:, 0] % len(FROST_LOOKS)

  def of_look(values: Sequence[object]) -> jax.Array:
    """One value of each look → that of each image's look."""
    return jnp.asarray(np.array(values, np.float32))[look]

  slope = of_look([each.slope for each in FROST_LOOKS])
  common = of_look([each.common for each in FROST_LOOKS])
  mean = of_look([each.mean for each in FROST_LOOKS])
  deviation = of_look([each.deviation for each in FROST_LOOKS])
  spread = of_look([each.shift for each in FROST_LOOKS])
  down = np.fft.fftfreq(height)[:, None] * height
  right = np.fft.rfftfreq(width) * width
  frequency = np.hypot(down, right)
  frequency[0, 0] = np.inf
  log_frequency = jnp.asarray(np.log(frequency), jnp.float32)
  amplitude = jnp.exp(-0.5 * slope[:, None, None] * log_frequency)[:, None]
  # One field for all channels and one for each.
  noise = pixel_random.normal(field_keys, (4, height, width))
  fields = jnp.fft.irfft2(jnp.fft.rfft2(noise) * amplitude, s=(height, width))
  fields /= fields.std((2, 3), keepdims=True)
  share = common[:, None, None, None]
  fields = jnp.sqrt(share) * fields[:, :1] + jnp.sqrt(1 - share) * fields[:, 1:]
  shift = spread * pixel_random.normal(shift_keys, (1,))[:, 0]
  colour = (mean + shift[:, None])[:, None, None]
  texture = colour + deviation[:, None, None] * fields.transpose(0, 2, 3, 1)
  return jnp.clip(texture, 0, 255)


class Frost(NamedTuple):
  """How strong frost is.

  Attributes:
    share: weight of the image.
    strength: weight of the frost.
  """

  share: float
  strength: float


def frost(keys: jax.Array, images: jax.Array, row: Frost) -> jax.Array:
  """a image + b frost, both in 0..255."""
  height, width = images.shape[1:3]
  return truncate(row.share * images + row.strength * frost_texture(keys, height, width))


def plasma(keys: jax.Array, size: int, decay: float) -> jax.Array:
  """Diamond-square fractal on a torus, scaled to [0, 1].

  Every octave fills the middles of the squares and then of the diamonds with the mean of four
  neighbours plus noise. As in the generator the noise of an octave is wibble * U(-wibble, wibble),
  so its amplitude is the square of the wibble, which begins at 100 and is divided by `decay` per
  octave.

  Args:
    keys: uint32 `[B, 2]`, see `pixel_random`.
    size: power of two.
    decay: larger is smoother.

  Returns:
    float32 `[B, size, size]`.
  """
  noise = pixel_random.uniform(keys, (size * size - 1,), -1.0, 1.0)
  batch = noise.shape[0]
  corners = jnp.zeros((batch, 1, 1))
  # The scaling at the end takes out any factor, so the first octave's amplitude may as well be 1.
  amplitude = 1.0
  used = 0
  for octave in range(int(np.log2(size))):
    cells = 2**octave
    wobble = noise[:, used : used + 3 * cells * cells].reshape(batch, 3, cells, cells) * amplitude
    pairs = corners + jnp.roll(corners, -1, 1)
    middles = (pairs + jnp.roll(pairs, -1, 2)) / 4 + wobble[:, 0]
    beside = middles + jnp.roll(middles, 1, 1) + corners + jnp.roll(corners, -1, 2)
    below = middles + jnp.roll(middles, 1, 2) + corners + jnp.roll(corners, -1, 1)
    tops = beside / 4 + wobble[:, 1]
    lefts = below / 4 + wobble[:, 2]
    even = jnp.stack([corners, tops], -1)
    odd = jnp.stack([lefts, middles], -1)
    corners = jnp.stack([even, odd], 2).reshape(batch, 2 * cells, 2 * cells)
    used += 3 * cells * cells
    amplitude /= decay**2
  corners -= corners.min((1, 2), keepdims=True)
  return corners / corners.max((1, 2), keepdims=True)


class Fog(NamedTuple):
  """How strong fog is.

  Attributes:
    strength: weight of the fog.
    decay: of its detail per octave.
  """

  strength: float
  decay: float


def fog(keys: jax.Array, images: jax.Array, row: Fog) -> jax.Array:
  """x + c plasma, scaled back by max(x) / (max(x) + c); the plasma is the corner of a power-of-two
  map.
  """
  height, width = images.shape[1:3]
  size = 2 ** int(np.ceil(np.log2(max(height, width))))
  brightest = images.max((1, 2, 3), keepdims=True).astype(jnp.float32)
  foggy = images + 255.0 * row.strength * plasma(keys, size, row.decay)[:, :height, :width, None]
  return truncate(foggy * (brightest / (brightest + 255.0 * row.strength)))

"""Weather: snow, frost and fog.

Every function takes `seeds` (uint32 [B, 2], see `draws`), `images` (uint8 [B, H, W, 3]) and the row
of `parameters.at`, and returns uint8 of the same shape. Spatter has its own file. Source: Hendrycks
& Dietterich 2019, repository hendrycks/robustness.
"""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import draws, linear_maps, motion
from apr_jax.corruptions.levels import truncate


def snow(seeds, images, row):
  """Bright specks that fall in streaks, before an image made paler.

  The flakes are the peaks of a zoomed noise layer above a threshold, in eight bits, blurred along a
  direction drawn from U(-135, -45) degrees and truncated to eight bits again; the layer is added as
  it is and rotated by 180 degrees.
  """
  mean, scale, zoom, threshold, radius, sigma, share = row
  height, width = images.shape[1:3]
  flake_seeds, fall_seeds = draws.split(seeds, 2)
  flakes = mean + scale * draws.normal(flake_seeds, (height, width, 1))
  flakes = linear_maps.apply(
    flakes, linear_maps.centre_zoom(height, zoom)[None], linear_maps.centre_zoom(width, zoom)[None]
  )
  flakes = truncate(255.0 * jnp.where(flakes < threshold, 0.0, flakes))
  degrees = draws.uniform(fall_seeds, (1,), -135.0, -45.0)[:, 0]
  # Only where there are flakes to fall. What this saves is less the rare blur of nothing than a
  # fusion: XLA keeps a branch apart, and inside the composition below the blur ran several times
  # slower on a CPU.
  layer = jax.lax.cond(
    jnp.any(flakes > 0),
    lambda: truncate(motion.motion_blur(flakes, degrees, radius, sigma)),
    lambda: flakes,
  )
  layer = layer.astype(jnp.float32)
  levels = images.astype(jnp.float32)
  red, green, blue = (levels[..., i : i + 1] for i in range(3))
  grey = 0.299 * red + 0.587 * green + 0.114 * blue
  paler = share * levels + (1 - share) * jnp.maximum(levels, grey * 1.5 + 127.5)
  return truncate(paler + layer + layer[:, ::-1, ::-1])


# The looks of the frost photographs, as far as first and second moments of 32-pixel crops show
# them: mean colour, standard deviation of each channel inside a crop, standard deviation of a
# crop's brightness around that mean, share of the variance that the channels have in common, and
# decline of the power with frequency (log-log slope). Estimated from 120 pairs of a frosted
# benchmark image and its clean original, by taking out the original.
_PALE = ((203, 207, 216), (17, 17.5, 18), 5, 0.97, 1.1)  # fine white crystals
_WATER = ((74, 149, 166), (21.5, 13.5, 13), 9, 0.72, 1.4)  # frozen water
_GREY = ((142, 157, 169), (26.5, 26.5, 27), 12, 0.97, 0.9)  # grey crystals with bright points
_DARK = ((100, 112, 122), (35, 34.5, 34), 8, 0.98, 1.2)  # dark ground between crystals
# The benchmark draws one of five photographs; two of them are pale.
_FROST = (_PALE, _PALE, _WATER, _GREY, _DARK)


def frost_texture(seeds, height: int, width: int) -> jax.Array:
  """Procedural frost, float32 [B, H, W, 3] in 0..255.

  The benchmark crops one of five photographs, which are not shipped. Here each image draws one of
  the five looks and a Gaussian random field with a power-law spectrum, coloured by it. The law is
  in cycles per image, not per pixel: a 224-pixel crop of a photograph and a 32-pixel crop of the
  photograph at a fifth of its size show nearly the same piece of it.
  """
  look_seeds, shift_seeds, field_seeds = draws.split(seeds, 3)
  means, deviations, shifts, common, slopes = (np.array(part, np.float32) for part in zip(*_FROST))
  look = draws.bits(look_seeds, (1,))[:, 0] % len(_FROST)
  down = np.fft.fftfreq(height)[:, None] * height
  right = np.fft.rfftfreq(width) * width
  frequency = np.hypot(down, right)
  frequency[0, 0] = np.inf
  log_frequency = jnp.asarray(np.log(frequency), jnp.float32)
  amplitude = jnp.exp(-0.5 * jnp.asarray(slopes)[look][:, None, None] * log_frequency)[:, None]
  # One field for all channels and one for each.
  noise = draws.normal(field_seeds, (4, height, width))
  fields = jnp.fft.irfft2(jnp.fft.rfft2(noise) * amplitude, s=(height, width))
  fields /= fields.std((2, 3), keepdims=True)
  share = jnp.asarray(common)[look][:, None, None, None]
  fields = jnp.sqrt(share) * fields[:, :1] + jnp.sqrt(1 - share) * fields[:, 1:]
  shift = jnp.asarray(shifts)[look] * draws.normal(shift_seeds, (1,))[:, 0]
  colour = jnp.asarray(means)[look] + shift[:, None]
  texture = colour[:, None, None] + jnp.asarray(deviations)[look][:, None, None] * fields.transpose(
    0, 2, 3, 1
  )
  return jnp.clip(texture, 0, 255)


def frost(seeds, images, row):
  """a image + b frost, both in 0..255."""
  share, strength = row
  return truncate(share * images + strength * frost_texture(seeds, *images.shape[1:3]))


def plasma(seeds, size: int, decay: float) -> jax.Array:
  """Diamond-square fractal on a torus, scaled to [0, 1].

  Every octave fills the middles of the squares and then of the diamonds with the mean of four
  neighbours plus noise. As in the generator the noise of an octave is wibble * U(-wibble, wibble),
  so its amplitude is the square of the wibble, which begins at 100 and is divided by `decay` per
  octave.

  Args:
    seeds: uint32 [B, 2], see `draws`.
    size: power of two.
    decay: larger is smoother.

  Returns:
    float32 [B, size, size].
  """
  noise = draws.uniform(seeds, (size * size - 1,), -1.0, 1.0)
  batch = noise.shape[0]
  corners = jnp.zeros((batch, 1, 1))
  # The scaling at the end takes out any factor, so the first octave's amplitude may as well be 1.
  amplitude, used = 1.0, 0
  for octave in range(int(np.log2(size))):
    cells = 2**octave

    def wobble(sums, drawn):
      return sums / 4 + amplitude * noise[:, drawn : drawn + cells * cells].reshape(
        batch, cells, cells
      )

    pairs = corners + jnp.roll(corners, -1, 1)
    middles = wobble(pairs + jnp.roll(pairs, -1, 2), used)
    tops = wobble(
      middles + jnp.roll(middles, 1, 1) + corners + jnp.roll(corners, -1, 2), used + cells * cells
    )
    lefts = wobble(
      middles + jnp.roll(middles, 1, 2) + corners + jnp.roll(corners, -1, 1),
      used + 2 * cells * cells,
    )
    even, odd = jnp.stack([corners, tops], -1), jnp.stack([lefts, middles], -1)
    corners = jnp.stack([even, odd], 2).reshape(batch, 2 * cells, 2 * cells)
    used += 3 * cells * cells
    amplitude /= decay**2
  corners -= corners.min((1, 2), keepdims=True)
  return corners / corners.max((1, 2), keepdims=True)


def fog(seeds, images, row):
  """x + c plasma, scaled back by max(x) / (max(x) + c); the plasma is the corner of a power-of-two
  map.
  """
  strength, decay = row
  height, width = images.shape[1:3]
  size = 2 ** int(np.ceil(np.log2(max(height, width))))
  brightest = images.max((1, 2, 3), keepdims=True).astype(jnp.float32)
  foggy = images + 255.0 * strength * plasma(seeds, size, decay)[:, :height, :width, None]
  return truncate(foggy * (brightest / (brightest + 255.0 * strength)))

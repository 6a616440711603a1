"""Images of single frequencies: the basis of the Fourier heat map, and the templates whose
contrasts are a bin of the transform (APR, Equations 3 and 4).

A frequency is a row and a column, whole numbers in cycles per image height and width.

References: Chen et al., Amplitude-Phase Recombination, ICCV 2021
(https://arxiv.org/abs/2108.08487), Figure 6; Yin et al., A Fourier Perspective on Model Robustness,
NeurIPS 2019 (https://arxiv.org/abs/1906.08988).
"""

import jax
import jax.numpy as jnp

from apr_jax.errors import UserError

TEMPLATES = ("cos+", "cos-", "sin+", "sin-")
"""What the four templates of a frequency are called, in the order of `templates`."""


def fourier_basis(
  row: int | jax.Array, column: int | jax.Array, height: int, width: int
) -> jax.Array:
  """The real image of unit norm whose transform over height and width is zero but at one frequency
  and its mirror.

  √(2/HW) · cos(2π(row·y/H + column·x/W) + π/4), and cos(...)/√(HW) without π/4 where a frequency is
  its own mirror. A frequency and its mirror share one image, that of the one that comes first, row
  by row, in a map with the zero frequency in the centre. This is the basis of the released code of
  Yin et al. 2019 (https://arxiv.org/abs/1906.08988).

  Args:
    row, column: whole numbers, in cycles per image height and width; modulo H and W.
    height, width: H and W in pixels.

  Returns:
    float32 `[H, W]`.

  Examples:
    >>> wave = fourier_basis(0, 1, 8, 8)
    >>> wave.shape, round(float(jnp.linalg.norm(wave)), 4)
    ((8, 8), 1.0)
  """
  row = _centred(row, height)
  mirrored_row = _centred(-row, height)
  column = _centred(column, width)
  mirrored_column = _centred(-column, width)
  own_mirror = (row == mirrored_row) & (column == mirrored_column)
  second = (row > mirrored_row) | ((row == mirrored_row) & (column > mirrored_column))
  row = jnp.where(second, -row, row)
  column = jnp.where(second, -column, column)
  angle = _angle(row, column, height, width)
  wave = jnp.sqrt(2.0) * jnp.cos(angle + jnp.pi / 4)
  return jnp.where(own_mirror, jnp.cos(angle), wave) / jnp.sqrt(height * width)


def templates(row: int | jax.Array, column: int | jax.Array, height: int, width: int) -> jax.Array:
  """The four templates of a frequency, none of which is ever negative.

  max(cos θ, 0), max(−cos θ, 0), max(sin θ, 0) and max(−sin θ, 0) with θ = −2π(row·y/H +
  column·x/W).

  Args:
    row, column: the frequency; modulo H and W.
    height, width: H and W in pixels.

  Returns:
    float32 `[4, H, W]` in [0, 1], in the order of `TEMPLATES`.

  Examples:
    >>> templates(0, 1, 4, 4).shape
    (4, 4, 4)
  """
  angle = -_angle(row, column, height, width)
  waves = jnp.stack([jnp.cos(angle), -jnp.cos(angle), jnp.sin(angle), -jnp.sin(angle)])
  return jnp.maximum(waves, 0)


def template_contrasts(
  image: jax.Array, row: int | jax.Array, column: int | jax.Array
) -> tuple[jax.Array, jax.Array]:
  """A bin of the discrete Fourier transform as two contrasts of templates.

  Re F = ⟨x, cos⁺⟩ − ⟨x, cos⁻⟩ and Im F = ⟨x, sin⁺⟩ − ⟨x, sin⁻⟩. The phase is the arctangent of
  their ratio, of two arguments, `arctan2(imaginary, real)`: that of the ratio alone would not tell
  a phase from the opposite one.

  Args:
    image: grey, real numbers `[H, W]`.
    row, column: the frequency; modulo H and W.

  Returns:
    the contrast of the cosines and that of the sines, float32 `[]` each: the real and the imaginary
    part of `fft2(image)[row, column]`.

  Raises:
    UserError: the image is not `[H, W]`.

  Examples:
    >>> image = jnp.arange(16.0).reshape(4, 4)
    >>> real, imaginary = template_contrasts(image, 0, 1)
    >>> bool(jnp.allclose(real + 1j * imaginary, jnp.fft.fft2(image)[0, 1], atol=1e-4))
    True
  """
  image = jnp.asarray(image)
  if image.ndim != 2 or jnp.iscomplexobj(image):
    raise UserError(
      f"the image must be grey, of real numbers [H, W], got {image.dtype} {list(image.shape)}"
    )
  seen = (templates(row, column, *image.shape) * image.astype(jnp.float32)).sum((1, 2))
  return seen[0] - seen[1], seen[2] - seen[3]


def _angle(row: int | jax.Array, column: int | jax.Array, height: int, width: int) -> jax.Array:
  """2π(row·y/H + column·x/W) at each pixel, float32 `[H, W]`."""
  # Whole turns are dropped in integers: a large angle would cost float32 its digits.
  down = row * jnp.arange(height) % height / height
  right = column * jnp.arange(width) % width / width
  return 2 * jnp.pi * (down[:, None] + right)


def _centred(frequency: int | jax.Array, size: int) -> int | jax.Array:
  """The frequency modulo `size`, from -(size // 2) to (size - 1) // 2."""
  return (frequency + size // 2) % size - size // 2

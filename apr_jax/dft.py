"""Discrete Fourier transforms of small images as products with their matrices: the form for a TPU.

The transform of n numbers is a product with an n × n matrix. Up to some size that is more work and
less time than a fast transform where products of matrices are what the hardware does. Complex
numbers are pairs of real ones throughout.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

LARGEST = 256
"""Length of an axis up to which products take a TPU less time than its fast transform."""

PRECISION = jax.lax.Precision.HIGH
"""Of the products: a TPU makes each of three of bfloat16 numbers. That leaves a recombined image
wrong by less than 0.02 of one of its 255 levels. Six would be float32, and take twice as long."""

CHANNELS = -3


def small(shape: Sequence[int], axes: Sequence[int]) -> bool:
  """Whether the transform of an array of that shape over these axes is one for products."""
  return all(shape[axis] <= LARGEST for axis in axes)


def half_spectrum(images: jax.Array, axes: Sequence[int]) -> jax.Array:
  """`jnp.fft.rfftn(images, axes=axes)`.

  Args:
    images: float32 `[..., C, H, W]`.
    axes: ascending, from (-3, -2, -1); the last is halved.

  Returns:
    complex64.
  """
  *others, last = axes
  size = images.shape[last]
  wave = _wave(size)[:, : size // 2 + 1]
  rest, together = _with_channels(others, last)
  if len(together) == 2:
    wave = _joint(_wave(images.shape[CHANNELS]), wave)
  real, imaginary = (_product(images, part, together) for part in (wave.real, wave.imag))
  for axis in rest:
    real, imaginary = _complex_product(real, imaginary, _wave(images.shape[axis]), axis)
  return jax.lax.complex(real, imaginary)


def from_half_spectrum(half: jax.Array, axes: Sequence[int], size: int) -> jax.Array:
  """`jnp.fft.irfftn(half, axes=axes)` with `size` places along the last axis.

  Args:
    half: complex64 `[..., C, H, W']`, of a real image.
    axes: as in `half_spectrum`.
    size: of the axis that is halved.

  Returns:
    float32.
  """
  *others, last = axes
  rest, together = _with_channels(others, last)
  real, imaginary = half.real, half.imag
  for axis in rest:
    real, imaginary = _complex_product(real, imaginary, _inverse(half.shape[axis]), axis)
  # A bin that is not its own mirror stands for that too.
  bins = np.arange(size // 2 + 1)
  weight = np.where((bins == 0) | (2 * bins == size), 1, 2)
  wave = weight[:, None] * _inverse(size)[: len(bins)]
  if len(together) == 2:
    wave = _joint(_inverse(half.shape[CHANNELS]), wave)
  return _product(real, wave.real, together) - _product(imaginary, wave.imag, together)


def _with_channels(others: Sequence[int], last: int) -> tuple[list[int], tuple[int, ...]]:
  """The axes that are transformed one by one, and those that share a product with the last: the
  channels, too few for one of their own.
  """
  if CHANNELS in others:
    return [axis for axis in others if axis != CHANNELS], (CHANNELS, last)
  return list(others), (last,)


def _wave(size: int) -> np.ndarray:
  """exp(−2πi·jk/n), complex128 `[n, n]`."""
  places = np.arange(size)
  return np.exp(-2j * np.pi * (np.outer(places, places) % size) / size)


def _inverse(size: int) -> np.ndarray:
  return _wave(size).conj() / size


def _joint(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The matrix of two transforms at once, `[n, m, n', m']`."""
  return np.einsum("nk,ml->nmkl", first, second)


def _complex_product(
  real: jax.Array, imaginary: jax.Array, matrix: np.ndarray, axis: int
) -> tuple[jax.Array, jax.Array]:
  return (
    _product(real, matrix.real, (axis,)) - _product(imaginary, matrix.imag, (axis,)),
    _product(imaginary, matrix.real, (axis,)) + _product(real, matrix.imag, (axis,)),
  )


def _product(values: jax.Array, matrix: np.ndarray, axes: tuple[int, ...]) -> jax.Array:
  """The sum of `values` times `matrix` over axes, in whose place those of the result come."""
  count = len(axes)
  product = jnp.tensordot(
    values,
    matrix.astype(np.float32),
    (axes, tuple(range(count))),
    precision=PRECISION,
  )
  return jnp.moveaxis(product, tuple(range(-count, 0)), axes)

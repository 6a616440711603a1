"""Discrete Fourier transforms of small images as products with their matrices: the form for a TPU.

The transform of n numbers is a product with an n × n matrix. Up to some size that is more work and
less time than a fast transform where products of matrices are what the hardware does. Complex
numbers are pairs of real ones throughout. Products are computed in float32, as `jnp.fft` computes.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

LARGEST = 64
"""Length of an axis up to which products take a TPU less time than its fast transform."""

_FEW = 4
"""Length up to which a product is written out as sums."""


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
  real, imaginary = _product(images, wave.real, last), _product(images, wave.imag, last)
  for axis in others:
    real, imaginary = _complex_product(real, imaginary, _wave(images.shape[axis]), axis)
  return jax.lax.complex(real, imaginary)


def from_half_spectrum(half: jax.Array, axes: Sequence[int], size: int) -> jax.Array:
  """`jnp.fft.irfftn(half, axes=axes)` with `size` places along the last axis.

  Args:
    half: complex64 `[..., C, H, W']`.
    axes: as in `half_spectrum`.
    size: of the axis that is halved.

  Returns:
    float32.
  """
  *others, last = axes
  real, imaginary = half.real, half.imag
  for axis in others:
    length = half.shape[axis]
    real, imaginary = _complex_product(real, imaginary, _wave(length).conj() / length, axis)
  # A bin that is not its own mirror stands for that too.
  bins = np.arange(size // 2 + 1)
  weight = np.where((bins == 0) | (2 * bins == size), 1, 2) / size
  wave = weight[:, None] * _wave(size)[: len(bins)].conj()
  return _product(real, wave.real, last) - _product(imaginary, wave.imag, last)


def _wave(size: int) -> np.ndarray:
  """exp(−2πi·jk/n), complex128 `[n, n]`."""
  places = np.arange(size)
  return np.exp(-2j * np.pi * (np.outer(places, places) % size) / size)


def _complex_product(
  real: jax.Array, imaginary: jax.Array, matrix: np.ndarray, axis: int
) -> tuple[jax.Array, jax.Array]:
  return (
    _product(real, matrix.real, axis) - _product(imaginary, matrix.imag, axis),
    _product(imaginary, matrix.real, axis) + _product(real, matrix.imag, axis),
  )


def _product(values: jax.Array, matrix: np.ndarray, axis: int) -> jax.Array:
  """Σ_n values[..., n, ...] · matrix[n, k] along an axis."""
  matrix = matrix.astype(np.float32)
  if len(matrix) <= _FEW:
    parts = [jax.lax.index_in_dim(values, n, axis % values.ndim) for n in range(len(matrix))]
    column = [-1 if a == axis % values.ndim else 1 for a in range(values.ndim)]
    return sum(part * row.reshape(column) for part, row in zip(parts, matrix))
  product = jnp.tensordot(values, matrix, (axis, 0), precision=jax.lax.Precision.HIGHEST)
  return jnp.moveaxis(product, -1, axis)

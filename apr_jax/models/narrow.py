"""Convolutions of many channels to few, as one product of matrices for all taps: DenseNet's.

The product gives each pixel's part in each of its neighbours' outputs, and the parts are then
shifted and summed. So the wide input is read once, where the direct sum reads it once for each tap.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Padding = Sequence[tuple[int, int]]


def fits(shape: Sequence[int], kernel_shape: Sequence[int], out_size: Sequence[int]) -> bool:
  """Whether it is a convolution of stride 1 for which this is faster.

  Args:
    shape: (B, H, W, C) of the input.
    kernel_shape: (h, w, C, O).
    out_size: (H', W') of the outputs, which must be as many.
  """
  height, width, channels, features = kernel_shape
  return (
    tuple(out_size) == tuple(shape[1:3])
    and height * width > 1
    and features <= 16
    and channels >= 4 * features
  )


def convolve(
  x: jax.Array,
  kernel: jax.Array,
  padding: Padding,
  into_memory: Callable[[jax.Array], jax.Array] = lambda x: x,
) -> jax.Array:
  """The convolution of stride 1 that keeps height and width.

  Args:
    x: `[B, H, W, C]`.
    kernel: `[h, w, C, O]`.
    padding: ((above, below), (left, right)), h - 1 and w - 1 in all.
    into_memory: makes sure that something is computed once.

  Returns:
    `[B, H, W, O]`.
  """
  height, width, channels, features = kernel.shape
  factors = into_memory(kernel.transpose(2, 0, 1, 3).reshape(channels, -1))
  products = into_memory(jnp.dot(x.reshape(-1, channels), factors))
  products = products.reshape(*x.shape[:3], height, width, features)
  products = jnp.pad(products, ((0, 0), *padding, (0, 0), (0, 0), (0, 0)))
  rows, columns = x.shape[1:3]
  parts = [
    products[:, i : i + rows, j : j + columns, i, j] for i in range(height) for j in range(width)
  ]
  return functools.reduce(jnp.add, parts)


def kernel_gradient(
  x: jax.Array,
  dy: jax.Array,
  padding: Padding,
  shape: Sequence[int],
  into_memory: Callable[[jax.Array], jax.Array] = lambda x: x,
) -> jax.Array:
  """The gradient of Σ `convolve` · dy to the kernel: one product with dy at all taps side by side.

  Args:
    x: `[B, H, W, C]`.
    dy: `[B, H, W, O]`.
    padding, into_memory: as there.
    shape: (h, w, C, O) of the kernel.
  """
  height, width, channels, features = shape
  rows, columns = x.shape[1:3]
  # dy meets tap (i, j) where the padding is on the other side.
  padded = jnp.pad(dy, ((0, 0), *(sides[::-1] for sides in padding), (0, 0)))
  taps = [
    padded[:, height - 1 - i :, width - 1 - j :][:, :rows, :columns]
    for i in range(height)
    for j in range(width)
  ]
  side_by_side = into_memory(jnp.concatenate(taps, -1)).reshape(-1, height * width * features)
  product = jnp.dot(x.reshape(-1, channels).T, side_by_side)
  return product.reshape(channels, height, width, features).transpose(1, 2, 0, 3)

"""3×3 convolutions of few channels as those of pairs of neighbouring pixels, which have twice the
channels and half the columns.

An image `[B, H, W, C]` lies in memory as one of `[B, H, W / 2, 2C]` does. Half of the kernel that
it then takes are zeros; with twice the channels a CPU multiplies that much faster, and Winograd's
form, for which few channels are too few, more than saves the rest.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Padding = Sequence[tuple[int, int]]


def fits(kernel_shape: Sequence[int], width: int, padding: Padding) -> bool:
  """Whether a convolution of stride 1 can be one over pairs.

  Args:
    kernel_shape: (h, w, C, O).
    width: W of the input.
    padding: ((above, below), (left, right)).
  """
  return tuple(kernel_shape[:2]) == (3, 3) and width % 2 == 0 and tuple(padding[1]) == (1, 1)


def kernel_of(kernel: jax.Array) -> jax.Array:
  """`[3, 3, C, O]` → `[3, 3, 2C, 2O]`, the kernel that does the same over pairs."""
  # Six columns are three pairs. A pair's first pixel sees the second to fourth, its second one the
  # third to fifth.
  of_pixel = [jnp.pad(kernel, ((0, 0), (1 + i, 2 - i), (0, 0), (0, 0))) for i in (0, 1)]
  channels, features = kernel.shape[2:]
  return jnp.concatenate([part.reshape(3, 3, 2 * channels, features) for part in of_pixel], -1)


def convolve(
  x: jax.Array, kernel: jax.Array, convolution: Callable[[jax.Array, jax.Array], jax.Array]
) -> jax.Array:
  """The convolution of x and the kernel, padded by a column on both sides.

  Args:
    x: `[B, H, W, C]`.
    kernel: `[3, 3, C, O]`.
    convolution: what computes it over pairs, of `[B, H, W / 2, 2C]` and `[3, 3, 2C, 2O]`, with the
      same padding.

  Returns:
    `[B, H', W, O]`.
  """
  images, height, width, channels = x.shape
  y = convolution(x.reshape(images, height, width // 2, 2 * channels), kernel_of(kernel))
  return y.reshape(images, y.shape[1], width, kernel.shape[3])

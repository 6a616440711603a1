"""3×3 convolutions with 4 products where there were 9: Winograd's F(2×2, 3×3), and its gradient to
the kernel.

Two rows and columns of outputs see four of inputs. Both are transformed by sums and differences; in
between each of the 16 numbers of a tile is multiplied by itself, which for many channels is 16
products of matrices. They are as exact as the direct sum, up to rounding: 1e-6 of the largest
output.

Source: Lavin and Gray 2016 (https://arxiv.org/abs/1509.09308), Section 4.1. The gradient to the
kernel is the same product of three read from another side.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

Padding = Sequence[tuple[int, int]]
_Line = Callable[[list[jax.Array]], list[jax.Array]]


def fits(kernel_shape: Sequence[int], out_size: Sequence[int]) -> bool:
  """Whether it is a 3×3 convolution whose outputs can be divided into 2×2 tiles.

  Args:
    kernel_shape: (h, w, C, O).
    out_size: (H', W') of the outputs.
  """
  return tuple(kernel_shape[:2]) == (3, 3) and all(size > 0 and size % 2 == 0 for size in out_size)


def _of_inputs(d: list[jax.Array]) -> list[jax.Array]:
  return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _of_kernel(g: list[jax.Array]) -> list[jax.Array]:
  return [g[0], (g[0] + g[1] + g[2]) / 2, (g[0] - g[1] + g[2]) / 2, g[2]]


# The transform of g[2], g[1], g[0] is that of g in this order.
_FROM_THE_OTHER_END = (3, 1, 2, 0)


def _to_outputs(m: list[jax.Array]) -> list[jax.Array]:
  return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]


# The two lines below are the transposes of the two above.
def _of_output_gradients(y: list[jax.Array]) -> list[jax.Array]:
  return [y[0], y[0] + y[1], y[0] - y[1], -y[1]]


def _to_kernel_gradients(m: list[jax.Array]) -> list[jax.Array]:
  return [m[0] + (m[1] + m[2]) / 2, (m[1] - m[2]) / 2, (m[1] + m[2]) / 2 + m[3]]


def _along_both(line: _Line, square: list[list[jax.Array]]) -> list[list[jax.Array]]:
  """A transform along the columns of a square of arrays, then along its rows."""
  columns = [line([row[j] for row in square]) for j in range(len(square))]
  return [line([column[i] for column in columns]) for i in range(len(columns[0]))]


def _input_tiles(
  x: jax.Array, padding: Padding, into_memory: Callable[[jax.Array], jax.Array]
) -> list[list[jax.Array]]:
  """The 4×4 numbers of each tile, transformed: 16 arrays `[tiles, C]`."""
  x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
  rows, columns = x.shape[1] - 3, x.shape[2] - 3  # where tiles begin ends here
  square = [[x[:, i : i + rows : 2, j : j + columns : 2] for j in range(4)] for i in range(4)]
  return [
    [into_memory(part.reshape(-1, x.shape[3])) for part in row]
    for row in _along_both(_of_inputs, square)
  ]


def convolve(
  x: jax.Array,
  kernel: jax.Array,
  padding: Padding,
  into_memory: Callable[[jax.Array], jax.Array] = lambda x: x,
  turned: bool = False,
) -> jax.Array:
  """The convolution of stride 1.

  Args:
    x: `[B, H, W, C]`.
    kernel: `[3, 3, C, O]`; if it is to be turned, `[3, 3, O, C]`.
    padding: ((above, below), (left, right)), 0 or more.
    into_memory: makes sure that something is computed once.
    turned: whether the kernel counts with rows and columns from the other end and with its channels
      exchanged, as in the gradient to the input. Its transform is that of the kernel as it lies, in
      another order, so nothing that large is transposed in memory.

  Returns:
    `[B, H + above + below - 2, W + left + right - 2, O]`; both sides must be even.
  """
  inputs = _input_tiles(x, padding, into_memory)
  factors = _along_both(_of_kernel, [[kernel[i, j] for j in range(3)] for i in range(3)])
  factors = [[into_memory(factor) for factor in row] for row in factors]
  if turned:
    factors = [[factors[i][j] for j in _FROM_THE_OTHER_END] for i in _FROM_THE_OTHER_END]
  channels, features = (3, 2) if turned else (2, 3)
  contract = ((1,), (channels - 2,)), ((), ())
  size = [x.shape[1 + axis] + sum(padding[axis]) - 2 for axis in (0, 1)]
  products = [
    [
      into_memory(lax.dot_general(tile, factor, contract)).reshape(
        len(x), size[0] // 2, size[1] // 2, kernel.shape[features]
      )
      for tile, factor in zip(*rows)
    ]
    for rows in zip(inputs, factors)
  ]
  outputs = _along_both(_to_outputs, products)
  return jnp.stack([jnp.stack(row, 3) for row in outputs], 2).reshape(
    len(x), *size, kernel.shape[features]
  )


def kernel_gradient(
  x: jax.Array,
  dy: jax.Array,
  padding: Padding,
  into_memory: Callable[[jax.Array], jax.Array] = lambda x: x,
) -> jax.Array:
  """The gradient of Σ `convolve` · dy to the kernel, `[3, 3, C, O]`.

  Args:
    x: `[B, H, W, C]`.
    dy: `[B, H', W', O]`, as `convolve` returns it.
    padding, into_memory: as there.
  """
  inputs = _input_tiles(x, padding, into_memory)
  square = [[dy[:, i::2, j::2] for j in range(2)] for i in range(2)]
  gradients = _along_both(_of_output_gradients, square)
  products = [
    [
      into_memory(jnp.dot(tile.T, into_memory(gradient.reshape(-1, dy.shape[3]))))
      for tile, gradient in zip(*rows)
    ]
    for rows in zip(inputs, gradients)
  ]
  return jnp.stack([jnp.stack(row) for row in _along_both(_to_kernel_gradients, products)])

"""A convolution and its two gradients, as JAX has them, `plain`, and in the form that CPUs compute
fastest, `cpu`.

In programs for CPUs

- what a convolution reads and writes lies in memory: XLA would compute anew for each of its uses
  what came before, as it does with what it fuses;
- the gradients are convolutions in the order of axes that XLA hands to its fast routine, everywhere
  in a program;
- the gradient to the input of a striding convolution does not multiply the zeros between;
- a grouped convolution is one convolution for each group;
- where there are enough channels, 3×3 convolutions are Winograd's (`winograd.py`), and those of
  many channels to few are products of matrices (`narrow.py`).
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from apr_jax.in_memory import in_memory
from apr_jax.models import image_by_image, narrow, winograd

AXES = ("NHWC", "HWIO", "NHWC")
# From how many channels on, of input and output, Winograd's convolution and gradient are faster.
# One core needs half as many: the sums of Winograd's form go through memory, which cores share.
_WINOGRAD, _WINOGRAD_DKERNEL = 64, 128


class Settings(NamedTuple):
  """What a convolution does beside its arrays; hashable.

  Attributes:
    strides: (rows, columns).
    padding: ((above, below), (left, right)), 0 or more.
    dilation: of the kernel, (rows, columns).
    groups: of channels.
    precision: as `jax.default_matmul_precision` names it, or None.
    by_image: whether an image has to come out to the bit alike in any batch; see
      `image_by_image.py`.
    of_group: whether it is that of one group of several.
  """

  strides: tuple[int, ...]
  padding: tuple[tuple[int, int], ...]
  dilation: tuple[int, ...]
  groups: int
  precision: Any
  by_image: bool
  of_group: bool = False


def plain(x: jax.Array, kernel: jax.Array, *, of: Settings) -> jax.Array:
  """x `[B, H, W, C]`, kernel `[h, w, C / groups, O]` → y `[B, H', W', O]`."""
  return lax.conv_general_dilated(
    x,
    kernel,
    of.strides,
    of.padding,
    rhs_dilation=of.dilation,
    dimension_numbers=AXES,
    feature_group_count=of.groups,
    precision=of.precision,
  )


def plain_dx(dy: jax.Array, kernel: jax.Array, *, of: Settings, shape: Any) -> jax.Array:
  """The gradient of Σ y · dy to x, which has that shape."""
  x = jax.ShapeDtypeStruct(shape, dy.dtype)
  return jax.linear_transpose(lambda x: plain(x, kernel, of=of), x)(dy)[0]


def plain_dkernel(x: jax.Array, dy: jax.Array, *, of: Settings, shape: Any) -> jax.Array:
  """The gradient of Σ y · dy to the kernel, which has that shape."""
  kernel = jax.ShapeDtypeStruct(shape, x.dtype)
  return jax.linear_transpose(lambda kernel: plain(x, kernel, of=of), kernel)(dy)[0]


def _into_memory_and_out(convolution: Any) -> Any:
  """What it reads and writes lies in memory."""

  @functools.wraps(convolution)
  def between(a: jax.Array, b: jax.Array, **settings: Any) -> jax.Array:
    return in_memory(convolution(in_memory(a), in_memory(b), **settings))

  return between


def _is_pointwise(kernel_shape: Sequence[int], of: Settings) -> bool:
  """Whether each pixel is computed of one alone, so that a stride only leaves pixels out."""
  return kernel_shape[:2] == (1, 1) and of.padding == ((0, 0), (0, 0))


def _by_group(operation: Any, split: tuple[int, int], join: int) -> Any:
  """One call for each group, whose channels lie in these axes of the arguments and the result."""

  @functools.wraps(operation)
  def grouped(a: jax.Array, b: jax.Array, *, of: Settings, **more: Any) -> jax.Array:
    if of.groups == 1:
      return operation(a, b, of=of, **more)
    if "shape" in more:
      shape = list(more["shape"])
      shape[-1] //= of.groups
      more["shape"] = tuple(shape)
    one = of._replace(groups=1, of_group=True)
    parts = zip(jnp.split(a, of.groups, split[0]), jnp.split(b, of.groups, split[1]))
    return jnp.concatenate([operation(*part, of=one, **more) for part in parts], join)

  return grouped


def _may_be_products(of: Settings) -> bool:
  """Whether products of matrices may take the place of the direct sum."""
  return not of.by_image and of.strides == of.dilation == (1, 1)


def _is_narrow(
  x: jax.Array, kernel_shape: Sequence[int], out_size: Sequence[int], of: Settings
) -> bool:
  """Whether so few channels come of so many that taps are better summed after the products."""
  return _may_be_products(of) and narrow.fits(x.shape, kernel_shape, out_size)


def _is_winograd(
  x: jax.Array, kernel_shape: Sequence[int], out_size: Sequence[int], of: Settings, channels: int
) -> bool:
  """Whether Winograd's convolution is faster, which it is from so many channels on.

  Not for groups, each of which would be compiled with its 16 products.
  """
  return (
    _may_be_products(of)
    and x.dtype == jnp.float32
    and not of.of_group
    and min(kernel_shape[2:]) >= channels
    and winograd.fits(kernel_shape, out_size)
  )


def _direct_or_winograd(
  x: jax.Array, kernel: jax.Array, *, of: Settings, turned: bool = False
) -> jax.Array:
  """The convolution with the kernel `[h, w, C, O]`; or with that which turns into it, if its rows
  and columns are taken from the other end and its channels are exchanged, `[h, w, O, C]`.
  """
  shape = (*kernel.shape[:2], *(kernel.shape[:1:-1] if turned else kernel.shape[2:]))
  size = [x.shape[1 + axis] + sum(of.padding[axis]) + 1 - shape[axis] for axis in (0, 1)]
  if _is_winograd(x, shape, size, of, _WINOGRAD):
    return winograd.convolve(x, kernel, of.padding, in_memory, turned)
  if turned:
    kernel = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
  if _is_narrow(x, kernel.shape, size, of):
    return narrow.convolve(x, kernel, of.padding, in_memory)
  if of.by_image:
    return image_by_image.convolve(plain, x, kernel, of)
  return plain(x, kernel, of=of)


@_into_memory_and_out
def cpu(x: jax.Array, kernel: jax.Array, *, of: Settings) -> jax.Array:
  """`plain`, as CPUs compute it."""
  if _is_pointwise(kernel.shape, of):
    x, of = x[:, :: of.strides[0], :: of.strides[1]], of._replace(strides=(1, 1))
  return _by_group(_direct_or_winograd, (-1, -1), -1)(x, kernel, of=of)


def _with_padding(
  x: jax.Array, padding: Sequence[tuple[int, int]]
) -> tuple[jax.Array, list[tuple[int, int]]]:
  """x `[_, H, W, _]` and padding of 0 or more: what would be padded by less is cut off."""
  for axis, (before, after) in enumerate(padding, 1):
    x = lax.slice_in_dim(x, max(-before, 0), x.shape[axis] - max(-after, 0), axis=axis)
  return x, [(max(before, 0), max(after, 0)) for before, after in padding]


def _turned(
  dy: jax.Array, kernel: jax.Array, offsets: Sequence[int], size: Sequence[int], of: Settings
) -> jax.Array:
  """Σ_k dy[i + offset - k · dilation] kernel[k] for i < size along both axes, `[B, *size, C]`."""
  padding = []
  for axis, (offset, length) in enumerate(zip(offsets, size)):
    reach = (kernel.shape[axis] - 1) * of.dilation[axis]
    padding.append((reach - offset, length + offset - dy.shape[1 + axis]))
  dy, padding = _with_padding(dy, padding)
  of = of._replace(strides=(1, 1), padding=tuple(padding))
  return _direct_or_winograd(dy, kernel, of=of, turned=True)


def _phase(index: int, stride: int, before: int) -> tuple[int, int]:
  """Which taps reach the pixels index, index + stride, …: every stride-th from the first of these
  numbers; the second is the offset of `_turned`.
  """
  return (index + before) % stride, (index + before) // stride


def _dx(dy: jax.Array, kernel: jax.Array, *, of: Settings, shape: Sequence[int]) -> jax.Array:
  before = [low for low, _ in of.padding]
  if of.strides == (1, 1):
    return _turned(dy, kernel, before, shape[1:3], of)
  if of.dilation != (1, 1):
    return plain_dx(dy, kernel, of=of, shape=shape)
  # The pixels that lie a stride apart see the same taps: a convolution for each of these sets, in
  # place of one over dy with zeros between.
  down, right = of.strides
  size = -(-shape[1] // down), -(-shape[2] // right)
  rows = []
  for row in range(down):
    first_row, row_offset = _phase(row, down, before[0])
    columns = []
    for column in range(right):
      first_column, column_offset = _phase(column, right, before[1])
      taps = kernel[first_row::down, first_column::right]
      columns.append(
        _turned(dy, taps, (row_offset, column_offset), size, of)
        if taps.size
        else jnp.zeros((shape[0], *size, shape[3]), dy.dtype)
      )
    rows.append(jnp.stack(columns, 3))
  whole = jnp.stack(rows, 2).reshape(shape[0], size[0] * down, size[1] * right, shape[3])
  return whole[:, : shape[1], : shape[2]]


def _dkernel(x: jax.Array, dy: jax.Array, *, of: Settings, shape: Sequence[int]) -> jax.Array:
  if _is_pointwise(shape, of):
    x, of = x[:, :: of.strides[0], :: of.strides[1]], of._replace(strides=(1, 1))
  if _is_winograd(x, shape, dy.shape[1:3], of, _WINOGRAD_DKERNEL):
    return winograd.kernel_gradient(x, dy, of.padding, in_memory)
  if _is_narrow(x, shape, dy.shape[1:3], of):
    return narrow.kernel_gradient(x, dy, of.padding, shape, in_memory)
  padding = []
  for axis in (0, 1):
    before = of.padding[axis][0]
    reach = (shape[axis] - 1) * of.dilation[axis] + (dy.shape[1 + axis] - 1) * of.strides[axis] + 1
    padding.append((before, reach - before - x.shape[1 + axis]))
  # The batch takes the place of the channels: dy is the kernel, and the taps are the pixels.
  x, padding = _with_padding(x.transpose(3, 1, 2, 0), padding)
  out = lax.conv_general_dilated(
    x,
    dy.transpose(1, 2, 0, 3),
    of.dilation,
    padding,
    rhs_dilation=of.strides,
    dimension_numbers=AXES,
    precision=of.precision,
  )
  return out.transpose(1, 2, 0, 3)


cpu_dx = _into_memory_and_out(_by_group(_dx, (-1, -1), -1))
"""`plain_dx`, as CPUs compute it."""

cpu_dkernel = _into_memory_and_out(_by_group(_dkernel, (-1, -1), -1))
"""`plain_dkernel`, as CPUs compute it."""

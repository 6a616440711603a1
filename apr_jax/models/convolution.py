"""The convolution of the networks, which CPUs compute in a form of their own.

    y = convolve(x, kernel, strides, padding)      # for `conv_general_dilated` of a `nn.Conv`
    x = in_memory(x)

Three operations make up the convolution and its derivatives: y of x and kernel, dx of dy and
kernel, and dkernel of x and dy. The derivative of each, to any order, is the other two. In programs
for GPUs and TPUs they are what JAX makes of `jax.lax.conv_general_dilated` and its gradient, to the
letter.

In programs for CPUs

- what a convolution reads and writes lies in memory: XLA would compute anew for each of its uses
  what came before, as it does with what it fuses;
- the gradients are convolutions in the order of axes that XLA hands to its fast routine, everywhere
  in a program;
- the gradient to the input of a striding convolution does not multiply the zeros between;
- a grouped convolution is one convolution for each group.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.interpreters import ad

from apr_jax import forms
from apr_jax.models import narrow, winograd

_AXES = ("NHWC", "HWIO", "NHWC")
# From how many channels on, of input and output, Winograd's convolution and gradient are faster.
_WINOGRAD, _WINOGRAD_DKERNEL = 32, 64


class _Settings(NamedTuple):
  """What a convolution does beside its arrays; hashable.

  Attributes:
    strides: (rows, columns).
    padding: ((above, below), (left, right)), 0 or more.
    dilation: of the kernel, (rows, columns).
    groups: of channels.
    precision: as `jax.default_matmul_precision` names it, or None.
    of_group: whether it is that of one group of several.
  """

  strides: tuple[int, ...]
  padding: tuple[tuple[int, int], ...]
  dilation: tuple[int, ...]
  groups: int
  precision: Any
  by_image: bool
  of_group: bool = False


_by_image = contextvars.ContextVar("by_image", default=False)


@contextlib.contextmanager
def image_by_image(on: bool = True) -> Iterator[None]:
  """Networks that are called inside compute an image to the bit alike in any batch.

  Products of matrices, which are faster on a CPU, sum in an order that depends on the batch.

  Args:
    on: False leaves things as they are outside.
  """
  token = _by_image.set(on or _by_image.get())
  try:
    yield
  finally:
    _by_image.reset(token)


# ---- Into memory ----


@jax.jit
def _barrier(x: jax.Array) -> jax.Array:
  return lax.optimization_barrier(x)


def _call_of_barrier(x: jax.Array) -> jax.Array:
  # A barrier alone is gone before XLA fuses; a call that stays one is not.
  with set_xla_metadata(inlineable="false"):
    return _barrier(x)


_in_memory = forms.operation_with_cpu_form("in_memory", lambda x: x, _call_of_barrier)
ad.deflinear2(_in_memory, lambda cotangent, x: [in_memory(cotangent)])


def in_memory(x: jax.Array) -> jax.Array:
  """x; in a program for a CPU what computes x ends here, and so does its gradient.

  Args:
    x: any array.
  """
  return _in_memory.bind(x)


# ---- The three operations, as JAX has them ----


def _plain(x: jax.Array, kernel: jax.Array, *, of: _Settings, **_: Any) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    kernel,
    of.strides,
    of.padding,
    rhs_dilation=of.dilation,
    dimension_numbers=_AXES,
    feature_group_count=of.groups,
    precision=of.precision,
  )


def _plain_dx(dy: jax.Array, kernel: jax.Array, *, of: _Settings, shape: Any) -> jax.Array:
  x = jax.ShapeDtypeStruct(shape, dy.dtype)
  return jax.linear_transpose(lambda x: _plain(x, kernel, of=of), x)(dy)[0]


def _plain_dkernel(x: jax.Array, dy: jax.Array, *, of: _Settings, shape: Any) -> jax.Array:
  kernel = jax.ShapeDtypeStruct(shape, x.dtype)
  return jax.linear_transpose(lambda kernel: _plain(x, kernel, of=of), kernel)(dy)[0]


# ---- The three operations on a CPU ----


def _into_memory_and_out(convolution: Any) -> Any:
  """What it reads and writes lies in memory."""

  @functools.wraps(convolution)
  def between(a: jax.Array, b: jax.Array, **settings: Any) -> jax.Array:
    return in_memory(convolution(in_memory(a), in_memory(b), **settings))

  return between


def _is_pointwise(kernel_shape: Sequence[int], of: _Settings) -> bool:
  """Whether each pixel is computed of one alone, so that a stride only leaves pixels out."""
  return kernel_shape[:2] == (1, 1) and of.padding == ((0, 0), (0, 0))


def _by_group(operation: Any, split: tuple[int, int], join: int) -> Any:
  """One call for each group, whose channels lie in these axes of the arguments and the result."""

  @functools.wraps(operation)
  def grouped(a: jax.Array, b: jax.Array, *, of: _Settings, **more: Any) -> jax.Array:
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


def _may_be_products(of: _Settings) -> bool:
  """Whether products of matrices may take the place of the direct sum."""
  return not of.by_image and of.strides == of.dilation == (1, 1)


def _is_narrow(
  x: jax.Array, kernel_shape: Sequence[int], out_size: Sequence[int], of: _Settings
) -> bool:
  """Whether so few channels come of so many that taps are better summed after the products."""
  return _may_be_products(of) and narrow.fits(x.shape, kernel_shape, out_size)


def _is_winograd(
  x: jax.Array, kernel_shape: Sequence[int], out_size: Sequence[int], of: _Settings, channels: int
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


def _direct_or_winograd(x: jax.Array, kernel: jax.Array, *, of: _Settings) -> jax.Array:
  size = [x.shape[1 + axis] + sum(of.padding[axis]) + 1 - kernel.shape[axis] for axis in (0, 1)]
  if _is_winograd(x, kernel.shape, size, of, _WINOGRAD):
    return winograd.convolve(x, kernel, of.padding, in_memory)
  if _is_narrow(x, kernel.shape, size, of):
    return narrow.convolve(x, kernel, of.padding, in_memory)
  return _plain(x, kernel, of=of)


@_into_memory_and_out
def _cpu(x: jax.Array, kernel: jax.Array, *, of: _Settings, shape: Any = None) -> jax.Array:
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
  dy: jax.Array, kernel: jax.Array, offsets: Sequence[int], size: Sequence[int], of: _Settings
) -> jax.Array:
  """Σ_k dy[i + offset - k · dilation] kernel[k] for i < size along both axes, `[B, *size, C]`."""
  padding = []
  for axis, (offset, length) in enumerate(zip(offsets, size)):
    reach = (kernel.shape[axis] - 1) * of.dilation[axis]
    padding.append((reach - offset, length + offset - dy.shape[1 + axis]))
  dy, padding = _with_padding(dy, padding)
  turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
  return _direct_or_winograd(dy, turned, of=of._replace(strides=(1, 1), padding=tuple(padding)))


def _phase(index: int, stride: int, before: int) -> tuple[int, int]:
  """Which taps reach the pixels index, index + stride, …: every stride-th from the first of these
  numbers; the second is the offset of `_turned`.
  """
  return (index + before) % stride, (index + before) // stride


def _dx(dy: jax.Array, kernel: jax.Array, *, of: _Settings, shape: Sequence[int]) -> jax.Array:
  before = [low for low, _ in of.padding]
  if of.strides == (1, 1):
    return _turned(dy, kernel, before, shape[1:3], of)
  if of.dilation != (1, 1):
    return _plain_dx(dy, kernel, of=of, shape=shape)
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


def _dkernel(x: jax.Array, dy: jax.Array, *, of: _Settings, shape: Sequence[int]) -> jax.Array:
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
    dimension_numbers=_AXES,
    precision=of.precision,
  )
  return out.transpose(1, 2, 0, 3)


_cpu_dx = _into_memory_and_out(_by_group(_dx, (-1, -1), -1))
_cpu_dkernel = _into_memory_and_out(_by_group(_dkernel, (-1, -1), -1))


# ---- The three operations, and how they differentiate into each other ----


_convolve = forms.operation_with_cpu_form("convolve", _plain, _cpu)
_convolve_dx = forms.operation_with_cpu_form("convolve_dx", _plain_dx, _cpu_dx)
_convolve_dkernel = forms.operation_with_cpu_form("convolve_dkernel", _plain_dkernel, _cpu_dkernel)


def _shape(of_linear: Any) -> tuple[int, ...]:
  """Of an argument in which an operation is transposed."""
  return tuple(of_linear.aval.shape)


ad.defbilinear(
  _convolve,
  lambda dy, x, kernel, of: _convolve_dx.bind(dy, kernel, of=of, shape=_shape(x)),
  lambda dy, x, kernel, of: _convolve_dkernel.bind(x, dy, of=of, shape=_shape(kernel)),
)
ad.defbilinear(
  _convolve_dx,
  lambda x, dy, kernel, of, shape: _convolve.bind(x, kernel, of=of),
  lambda x, dy, kernel, of, shape: _convolve_dkernel.bind(x, dy, of=of, shape=_shape(kernel)),
)
ad.defbilinear(
  _convolve_dkernel,
  lambda kernel, x, dy, of, shape: _convolve_dx.bind(dy, kernel, of=of, shape=_shape(x)),
  lambda kernel, x, dy, of, shape: _convolve.bind(x, kernel, of=of),
)


def convolve(
  x: jax.Array,
  kernel: jax.Array,
  strides: Sequence[int],
  padding: str | Sequence[tuple[int, int]],
  *,
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: Any = None,
  feature_group_count: int = 1,
  precision: Any = None,
) -> jax.Array:
  """`jax.lax.conv_general_dilated`, as a `nn.Conv` calls it, in the form of the platform.

  Another order of axes, other dtypes, an input that is dilated and padding by a name or by less
  than nothing are left to JAX.

  Args:
    x: `[B, H, W, C]`.
    kernel: `[h, w, C / groups, O]`, of the same dtype.
    strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count,
      precision: as JAX has them.

  Returns:
    `[B, H', W', O]`.
  """
  axes = lax.conv_dimension_numbers(x.shape, kernel.shape, dimension_numbers)
  if (
    x.ndim != 4
    or axes != lax.conv_dimension_numbers(x.shape, kernel.shape, _AXES)
    or x.dtype != kernel.dtype
    or any(size != 1 for size in lhs_dilation or ())
    or isinstance(padding, str)
    or any(side < 0 for sides in padding for side in sides)
  ):
    return lax.conv_general_dilated(
      x,
      kernel,
      strides,
      padding,
      lhs_dilation,
      rhs_dilation,
      dimension_numbers,
      feature_group_count,
      precision=precision,
    )
  of = _Settings(
    tuple(strides),
    tuple((before, after) for before, after in padding),
    tuple(rhs_dilation or (1, 1)),
    feature_group_count,
    # which is that of the context where the network is called, and not where it is compiled
    jax.config.values["jax_default_matmul_precision"] if precision is None else precision,
    _by_image.get(),
  )
  return _convolve.bind(x, kernel, of=of)

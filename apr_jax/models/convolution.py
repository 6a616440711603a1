"""The convolution of the networks, which CPUs compute in a form of their own.

    y = convolve(x, kernel, strides, padding)      # for `conv_general_dilated` of a `nn.Conv`

Three operations make up the convolution and its derivatives: y of x and kernel, dx of dy and
kernel, and dkernel of x and dy. The derivative of each, to any order, is the other two. In programs
for GPUs and TPUs they are what JAX makes of `jax.lax.conv_general_dilated` and its gradient, to the
letter; in programs for CPUs they are those of `convolution_forms.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax
from jax.interpreters import ad

from apr_jax import forms
from apr_jax.models import image_by_image
from apr_jax.models.convolution_forms import (
  AXES,
  Settings,
  cpu,
  cpu_dkernel,
  cpu_dx,
  plain,
  plain_dkernel,
  plain_dx,
)

_convolve = forms.operation_with_cpu_form("convolve", plain, cpu)
_convolve_dx = forms.operation_with_cpu_form("convolve_dx", plain_dx, cpu_dx)
_convolve_dkernel = forms.operation_with_cpu_form("convolve_dkernel", plain_dkernel, cpu_dkernel)


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
    or axes != lax.conv_dimension_numbers(x.shape, kernel.shape, AXES)
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
  of = Settings(
    tuple(strides),
    tuple((before, after) for before, after in padding),
    tuple(rhs_dilation or (1, 1)),
    feature_group_count,
    forms.precision_here(precision),
    image_by_image.is_on(),
  )
  return _convolve.bind(x, kernel, of=of)

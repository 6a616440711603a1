"""What a network computes of an image is to the bit alike in any batch, on CPUs too.

A CPU's products of matrices compute some pixels at a time, and sum what is left over in another
order. How many are left over depends on the batch. So where every image has to come out alike,
convolutions get a few more pixels, which are cut off again, until nothing is left over. The mean
over an image and the linear layer cost next to nothing, and are computed for one image at a time.
"""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from apr_jax import forms

_on = contextvars.ContextVar("image_by_image", default=False)

# Pixels that a product takes at a time: 6 with AVX2 and 8 with AVX-512, in blocks of 24 (oneDNN).
_TOGETHER = 24
# Of fewer pixels, the channels are shared among threads: seen of up to 384, with 1 to 48 threads.
_LEAST = 768
# The axes that a nn.Dense contracts; it has no batched ones.
_OF_DENSE = (((1,), (0,)), ((), ()))


@contextlib.contextmanager
def on(when: bool = True) -> Iterator[None]:
  """Networks that are called inside compute an image to the bit alike in any batch, on CPUs.

  Args:
    when: False leaves things as they are outside.
  """
  token = _on.set(when or _on.get())
  try:
    yield
  finally:
    _on.reset(token)


def is_on() -> bool:
  """Whether it is asked for here."""
  return _on.get()


def more_pixels(images: int, height: int, width: int) -> tuple[int, int]:
  """The fewest images and rows that are to be added, so that no pixel of a map is left over.

  Args:
    images, height, width: of what a convolution returns.

  Returns:
    (images, rows of each image).
  """
  sizes = []
  for rows in range(_TOGETHER):
    pixels = (height + rows) * width
    together = math.lcm(pixels, _TOGETHER) // pixels
    least = max(images, -(-_LEAST // pixels))
    whole = -(-least // together) * together
    sizes.append((whole * pixels, rows, whole - images))
  _, rows, more = min(sizes)
  return more, rows


def convolve(
  convolution: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array, of: Any
) -> jax.Array:
  """A convolution in which no pixel is left over.

  Args:
    convolution: `(x, kernel, of=of)` → y.
    x: `[B, H, W, C]`.
    kernel: `[h, w, C, O]`.
    of: `convolution_forms.Settings`.

  Returns:
    `convolution(x, kernel, of=of)`, `[B, H', W', O]`.
  """
  images, height, width, _ = jax.eval_shape(lambda x: convolution(x, kernel, of=of), x).shape
  more, rows = more_pixels(images, height, width)
  if not (more or rows):
    return convolution(x, kernel, of=of)
  (above, below), sides = of.padding
  of = of._replace(padding=((above, below + rows * of.strides[0]), sides))
  x = jnp.pad(x, ((0, more), (0, 0), (0, 0), (0, 0)))
  return convolution(x, kernel, of=of)[:images, :height]


def _mean(x: jax.Array) -> jax.Array:
  """x `[B, H, W, C]` → `[B, C]`."""
  return x.mean((1, 2))


def _means(x: jax.Array) -> jax.Array:
  """The same, one by one."""
  return lax.map(lambda one: one.mean((0, 1)), x)


_mean_of = forms.operation_with_cpu_form("image_mean", _mean, _means)
ad.deflinear2(_mean_of, lambda dy, x: jax.linear_transpose(_mean, x.aval)(dy))


def mean(x: jax.Array) -> jax.Array:
  """Mean over height and width, image by image where that is asked for.

  Args:
    x: `[B, H, W, C]`.

  Returns:
    `[B, C]`.
  """
  return _mean_of.bind(x) if is_on() else _mean(x)


def _product(x: jax.Array, kernel: jax.Array, *, precision: Any) -> jax.Array:
  """x `[B, C]`, kernel `[C, O]` → `[B, O]`."""
  return lax.dot_general(x, kernel, _OF_DENSE, precision=precision)


def _products(x: jax.Array, kernel: jax.Array, *, precision: Any) -> jax.Array:
  """The same, one by one."""
  return lax.map(lambda one: jnp.dot(one, kernel, precision=precision), x)


_linear = forms.operation_with_cpu_form("linear", _product, _products)
ad.defbilinear(
  _linear,
  lambda dy, x, kernel, precision: _linear.bind(dy, kernel.T, precision=precision),
  lambda dy, x, kernel, precision: _linear.bind(x.T, dy, precision=precision),
)


def dot_general(
  x: jax.Array, kernel: jax.Array, dimension_numbers: Any, precision: Any = None, **more: Any
) -> jax.Array:
  """`jax.lax.dot_general`, as a `nn.Dense` calls it, image by image where that is asked for.

  Args:
    x: `[B, C]`; other shapes are left to JAX.
    kernel: `[C, O]`.
    dimension_numbers, precision, more: as JAX has them.

  Returns:
    `[B, O]`.
  """
  if is_on() and x.ndim == kernel.ndim == 2 and dimension_numbers == _OF_DENSE:
    return _linear.bind(x, kernel, precision=forms.precision_here(precision))
  return lax.dot_general(x, kernel, dimension_numbers, precision=precision, **more)

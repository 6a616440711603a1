"""Which form of a computation a device gets: the one place that decides by the platform.

CPUs and GPUs read an array at computed places as fast as in order. A TPU reads such places one by
one, while comparisons, selections and products of matrices cost it next to nothing. So a few
functions have two forms with the same results: "index" reads by index, "product" compares, selects
and multiplies.

The network's layers are the other way round: CPUs get a form of their own, and the programs of all
other devices are as if there were none. `operation_with_cpu_form` makes an operation of which the
platform is asked when a program is lowered, so that differentiation sees one operation and not two.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir, xla

from apr_jax.errors import lookup


def by_platform(
  index: Callable[..., Any], product: Callable[..., Any], *arrays: Any, form: str | None = None
) -> Any:
  """`product(*arrays)` on a TPU, `index(*arrays)` elsewhere.

  A program compiled for one platform holds one of them. Both return the same shapes and dtypes.

  Args:
    index, product: the two forms.
    arrays: what they take.
    form: "index" or "product" forces one; None leaves it to the platform that the program is
      compiled for, whether or not this machine has it.
  """
  if form is None:
    return jax.lax.platform_dependent(*arrays, tpu=product, default=index)
  return lookup({"index": index, "product": product}, form, "form")(*arrays)


def precision_here(precision: Any) -> Any:
  """What an operation with two forms is to be given, for it is lowered outside of this context.

  Args:
    precision: as a caller of `jax.lax` gives it; None is that of `jax.default_matmul_precision`.
  """
  return jax.config.values["jax_default_matmul_precision"] if precision is None else precision


def operation_with_cpu_form(
  name: str, plain: Callable[..., jax.Array], cpu: Callable[..., jax.Array]
) -> Primitive:
  """An operation that is `cpu` in programs for CPUs and `plain` in all others.

  Its shapes, dtypes and its form under `vmap` are those of `plain`. Whoever makes it registers its
  derivatives, which are what this is for: those of `jax.lax.platform_dependent` would keep what
  both forms need.

  Args:
    name: of the operation, in printed programs.
    plain, cpu: `(*arrays, **settings)` → array of the same shape and dtype.

  Returns:
    the operation; `bind(*arrays, **settings)` calls it, with hashable settings.
  """
  operation = Primitive(name)

  @functools.cache
  def out_of(arrays: tuple[Any, ...], settings: tuple[tuple[str, Any], ...]) -> Any:
    arrays = tuple(jax.ShapeDtypeStruct(*array) for array in arrays)
    return jax.eval_shape(functools.partial(plain, **dict(settings)), *arrays)

  def shaped(*arrays: Any, **settings: Any) -> Any:
    out = out_of(tuple((x.shape, x.dtype) for x in arrays), tuple(settings.items()))
    return arrays[0].update(shape=out.shape, dtype=out.dtype, weak_type=False)

  def batched(arrays: Any, axes: Any, **settings: Any) -> tuple[jax.Array, int]:
    return jax.vmap(lambda *arrays: plain(*arrays, **settings), in_axes=axes)(*arrays), 0

  operation.def_impl(
    lambda *arrays, **settings: xla.apply_primitive(operation, *arrays, **settings)
  )
  operation.def_abstract_eval(shaped)
  batching.primitive_batchers[operation] = batched
  mlir.register_lowering(operation, mlir.lower_fun(plain, multiple_results=False))
  mlir.register_lowering(operation, mlir.lower_fun(cpu, multiple_results=False), platform="cpu")
  return operation

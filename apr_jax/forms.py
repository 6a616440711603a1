"""Which form of a computation a device gets: the one place that decides by the platform.

CPUs and GPUs read an array at computed places as fast as in order. A TPU reads such places one by
one, while comparisons, selections and products of matrices cost it next to nothing. So a few
functions have two forms with the same results: "index" reads by index, "product" compares, selects
and multiplies.

The network's layers are the other way round: CPUs get a form of their own, and the programs of all
other devices are as if there were none. `operation_with_cpu_form` makes an operation of which the
platform is asked when a program is lowered, so that differentiation sees one operation and not two.

What is called once, a CPU computes as it comes: `call_once`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jaxlib
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir, xla

from apr_jax.errors import lookup


def by_platform(
  index: Callable[..., Any], product: Callable[..., Any], *arrays: Any, form: str | None = None
) -> Any:
  """`product(*arrays)` on a TPU, `index(*arrays)` elsewhere.

  A program compiled for one platform holds one of them, and the other is not even traced, which
  would take as much time as all the rest of an augmentation.

  Args:
    index, product: the two forms, `(*arrays)` → array of the same shape and dtype. They use no
      traced array but those that they are given, and name the precision of a product that is not
      exact in any: `product` is traced when a program is lowered, outside of the caller's context.
    arrays: what they take, arrays or trees of arrays.
    form: "index" or "product" forces one; None leaves it to the platform that the program is
      compiled for, whether or not this machine has it.
  """
  if form is not None:
    return lookup({"index": index, "product": product}, form, "form")(*arrays)
  leaves, tree = jax.tree.flatten(arrays)

  def of_leaves(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda *leaves: function(*jax.tree.unflatten(tree, leaves))

  traced = jax.make_jaxpr(of_leaves(index))(*leaves)
  return _by_platform.bind(*leaves, index=traced, product=of_leaves(product))


def _index_or_product() -> Primitive:
  """The operation of `by_platform`, with "index" traced and "product" as a function, which only a
  program for a TPU traces.
  """
  operation = Primitive("by_platform")

  def at_once(*arrays: jax.Array, index: ClosedJaxpr, product: Any) -> jax.Array:
    return product(*arrays) if jax.default_backend() == "tpu" else jaxpr_as_fun(index)(*arrays)[0]

  def batched(arrays: Any, axes: Any, *, index: ClosedJaxpr, product: Any) -> tuple[jax.Array, int]:
    of_all, products = (jax.vmap(form, axes) for form in (jaxpr_as_fun(index), product))
    return operation.bind(*arrays, index=jax.make_jaxpr(of_all)(*arrays), product=products), 0

  def differentiated(arrays: Any, tangents: Any, *, index: ClosedJaxpr, product: Any) -> Any:
    # Both forms are traced: nothing in a training asks for this.
    def either(*arrays: jax.Array) -> jax.Array:
      of_one = jaxpr_as_fun(index)
      return jax.lax.platform_dependent(*arrays, tpu=product, default=lambda *x: of_one(*x)[0])

    return jax.jvp(either, tuple(arrays), tuple(map(ad.instantiate_zeros, tangents)))

  def lowered(context: Any, *arrays: Any, index: ClosedJaxpr, product: Any) -> Any:
    return mlir.core_call_lowering(context, *arrays, name="by_index", call_jaxpr=index)

  operation.def_impl(at_once)
  operation.def_abstract_eval(lambda *arrays, index, product: index.out_avals[0])
  batching.primitive_batchers[operation] = batched
  ad.primitive_jvps[operation] = differentiated
  mlir.register_lowering(operation, lowered)
  by_product = mlir.lower_fun(lambda *x, index, product: product(*x), multiple_results=False)
  mlir.register_lowering(operation, by_product, platform="tpu")
  return operation


_by_platform = _index_or_product()


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


def call_once(function: Callable[..., Any], *arguments: Any) -> Any:
  """`function(*arguments)` in one program, which for a CPU is compiled without optimisation: that
  takes less time by far, and the only call a little more.

  The results may differ from those of an optimised program in the last bits.

  Args:
    function: what `jax.jit` takes.
    arguments: what the function takes.
  """
  options = _UNOPTIMISED if jax.default_backend() == "cpu" else None
  return jax.jit(function, compiler_options=options)(*arguments)


_UNOPTIMISED: dict[str, Any] = {"xla_backend_optimization_level": 0}
if jaxlib.__version__.startswith("0.10."):  # later versions know no choice of emitters
  _UNOPTIMISED["xla_cpu_use_fusion_emitters"] = False

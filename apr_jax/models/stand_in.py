"""Brings a `FirstLayer` into a network that knows nothing of it.

    with stand_in(FirstLayer(kind="modulation"), train):
      logits = network(images, train)

Whatever the network, the first `nn.Conv` that it calls is its first layer. That call is taken over:
the layer declares its parameters where the convolution would have had its kernel, makes a kernel
of them, and the convolution is the network's own, with its stride, bias, dtype and initialisation.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.errors import UserError
from apr_jax.models import initializers
from apr_jax.models.first_layer import COEFFICIENTS, LOGITS, FirstLayer

STREAM = "first_layer"
"""The random stream of `apply` that perturbs gains in training; the same key, the same draws."""


@contextlib.contextmanager
def stand_in(layer: FirstLayer, train: bool) -> Iterator[None]:
  """Within it, the first convolution that is called is `layer`.

  Args:
    layer: one that is off changes nothing.
    train: whether gains are perturbed, which takes a PRNG key named `STREAM`.

  Raises:
    UserError: no convolution is called, or one that the layer cannot stand in for.
  """
  if not layer.on:
    yield
    return
  found = False

  def intercept(
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: nn.module.InterceptorContext,
  ) -> Any:
    nonlocal found
    module = context.module
    if found or not isinstance(module, nn.Conv) or context.method_name != "__call__":
      return call(*args, **kwargs)
    found = True
    return _convolve(module, layer, args[0], train)

  with nn.intercept_methods(intercept):
    yield
  if not found:
    raise UserError(
      "model.first_layer needs a network that begins with a convolution, and this one has none; "
      "leave its settings at their defaults, or choose another model.name"
    )


def _convolve(conv: nn.Conv, layer: FirstLayer, images: jax.Array, train: bool) -> jax.Array:
  """What `layer` makes of the images `[B, H, W, C]`, in place of `conv`, which is being called."""
  size, padding = conv.kernel_size, conv.padding
  if layer.kernel_size:
    size = (layer.kernel_size, layer.kernel_size)
    padding = 2 * ((layer.kernel_size // 2, layer.kernel_size // 2),)
  if isinstance(size, int) or len(set(size)) != 1 or conv.feature_group_count != 1:
    raise UserError(
      f"model.first_layer stands in for square filters that see all channels, and those of this "
      f"network have the size {size} in {conv.feature_group_count} groups; leave its settings at "
      f"their defaults, or choose another model.name"
    )
  shape = (*size, images.shape[-1], conv.features)
  params = {}
  # The kernel is drawn first and as the network draws its own: from the same seed, the same one.
  if layer.kind == "plain":
    params["kernel"] = conv.param("kernel", conv.kernel_init, shape, conv.param_dtype)
  else:
    coefficients = conv.param(
      COEFFICIENTS,
      lambda *arguments: layer.start(conv.kernel_init(*arguments)),
      shape,
      conv.param_dtype,
    )
  if conv.use_bias:
    params["bias"] = conv.param("bias", conv.bias_init, (conv.features,), conv.param_dtype)
  if layer.kind != "plain":
    logits_shape = layer.logits_shape(shape)
    logits = conv.param(LOGITS, initializers.zeros, logits_shape) if logits_shape else None
    perturbed = train and layer.sigma > 0 and not conv.is_initializing()
    key = conv.make_rng(STREAM) if perturbed else None
    params["kernel"] = layer.kernel(coefficients, logits, key)
  plain = conv.clone(parent=None, kernel_size=size, padding=padding)
  return jnp.asarray(plain.apply({"params": params}, images))

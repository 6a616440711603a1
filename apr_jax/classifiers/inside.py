"""What lies inside a network of the zoo: the features before its last linear layer, that layer, and
its logits with batch statistics of the images at hand.

The calls of the network's own layers are watched, so that no network has to be written for it: the
last layer is the `nn.Dense` called "fc" (`models.layers.head`), a batch normalisation any
`models.layers.BatchNorm`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from apr_jax.errors import UserError
from apr_jax.models.layers import BatchNorm

_LAST = "fc"


def features(
  apply: Callable[..., Any], variables: Mapping[str, Any], images: jax.Array
) -> jax.Array:
  """What the last linear layer is given, float32 `[B, D]`.

  Args:
    apply: of a `models.NormalisedNetwork`.
    variables: its "params" and "batch_stats".
    images: float `[B, H, W, 3]` in [0, 1].

  Raises:
    UserError: the network has no last linear layer.
  """
  found: list[jax.Array] = []

  def watch(
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: nn.module.InterceptorContext,
  ) -> Any:
    if isinstance(context.module, nn.Dense) and context.module.name == _LAST:
      found.append(args[0])
    return call(*args, **kwargs)

  with nn.intercept_methods(watch):
    apply(variables, images)
  if len(found) != 1:
    raise UserError(_no_last_layer())
  return found[0].astype(jnp.float32)


def last_layer(variables: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
  """(W float32 `[D, K]`, b float32 `[K]`): logits are `features @ W + b`.

  Raises:
    UserError: the network has no last linear layer.
  """
  found = [
    values
    for path, values in _sections(variables["params"])
    if path[-1:] == (_LAST,) and {"kernel", "bias"} <= values.keys()
  ]
  if len(found) != 1:
    raise UserError(_no_last_layer())
  return np.asarray(found[0]["kernel"]), np.asarray(found[0]["bias"])


def adapted_logits(
  apply: Callable[..., Any], variables: Mapping[str, Any], images: jax.Array, prior: jax.Array
) -> jax.Array:
  """Logits where each batch normalisation has the statistics of these images, mixed with its own.

  Mean and variance are both (N·s + n·t) / (N + n), with s the running ones of the training, t those
  of the n images (the variance divided by the number of values), and N the prior.

  Args:
    apply, variables, images: as of `features`.
    prior: N, how many images the running statistics count as; 0 leaves them out.

  Returns:
    float32 `[B, K]`.

  Raises:
    UserError: the network has no batch normalisation.

  Reference: Schneider et al., Improving robustness against common corruptions by covariate shift
  adaptation, NeurIPS 2020 (https://arxiv.org/abs/2006.16971), Section 3.
  """
  share = len(images) / (prior + len(images))
  adapted = 0

  def watch(
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: nn.module.InterceptorContext,
  ) -> Any:
    nonlocal adapted
    module = context.module
    if not isinstance(module, BatchNorm) or context.method_name != "__call__":
      return call(*args, **kwargs)
    adapted += 1
    x = args[0]
    wide = x.astype(jnp.float32)
    mean, var = wide.mean((0, 1, 2)), wide.var((0, 1, 2))
    running: dict[str, jax.Array] = {
      name: module.get_variable("batch_stats", name) for name in ("mean", "var")
    }
    scale: jax.Array = module.get_variable("params", "scale")
    bias: jax.Array = module.get_variable("params", "bias")
    mean = running["mean"] + share * (mean - running["mean"])
    var = running["var"] + share * (var - running["var"])
    factor = scale * jax.lax.rsqrt(var + module.epsilon)
    return (x * factor + (bias - mean * factor)).astype(module.dtype)

  with nn.intercept_methods(watch):
    logits = apply(variables, images)
  if not adapted:
    raise UserError(
      "batch statistics cannot be adapted to the test images: the network has no batch "
      "normalisation; leave the option adapt at False"
    )
  return logits


def _sections(
  tree: Mapping[str, Any], path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
  """All mappings of a tree, with their paths."""
  found = [(path, tree)]
  for name, values in tree.items():
    if isinstance(values, Mapping):
      found += _sections(values, (*path, name))
  return found


def _no_last_layer() -> str:
  return (
    f"the features need a network that ends in one linear layer called {_LAST!r}; end it in "
    f"apr_jax.models.layers.head"
  )

"""Finds the first convolution of a network, and the batch normalisation that reads its output.

Whatever the network, its first convolution is the first `nn.Conv` that it calls, and the
normalisation the first one that is given the convolution's output as it is. So no table of names is
kept, and a network of one's own is read as those of the zoo are.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from apr_jax.models.layers import BatchNorm


@dataclasses.dataclass(frozen=True)
class FirstConvolution:
  """Where the first convolution and what follows it lie among a network's variables.

  Attributes:
    convolution: the names of the modules down to it.
    normalisation: likewise of the batch normalisation that reads its output; None: there is none.
    epsilon: which that adds to the variance.
  """

  convolution: tuple[str, ...]
  normalisation: tuple[str, ...] | None = None
  epsilon: float = 0.0

  def kernel(self, variables: Mapping[str, Any]) -> np.ndarray:
    """The kernel, float32 `[k, k, C, O]`.

    Args:
      variables: the network's "params" and "batch_stats".
    """
    return np.asarray(_at(variables["params"], self.convolution)["kernel"], np.float32)

  def gain(self, variables: Mapping[str, Any]) -> np.ndarray | None:
    """By how much the normalisation multiplies the power of each filter's output in inference,
    scale² / (variance + ε); float32 `[O]`, or None where there is none.

    Args:
      variables: the network's "params" and "batch_stats".
    """
    if self.normalisation is None:
      return None
    scale = np.asarray(_at(variables["params"], self.normalisation)["scale"], np.float32)
    variance = np.asarray(_at(variables["batch_stats"], self.normalisation)["var"], np.float32)
    return np.square(scale) / (variance + np.float32(self.epsilon))


def find(model: nn.Module, image_size: tuple[int, int]) -> FirstConvolution | None:
  """Looks a network through without computing anything.

  Args:
    model: takes float images `[B, H, W, 3]`.
    image_size: (H, W) in pixels of images that it takes.

  Returns:
    where its first convolution lies; None if it has none, or one whose filters are not square.
  """
  convolution: tuple[str, ...] | None = None
  normalisation: nn.Module | None = None
  output: Any = None

  def watch(
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: nn.module.InterceptorContext,
  ) -> Any:
    nonlocal convolution, normalisation, output
    module = context.module
    if context.method_name != "__call__":
      return call(*args, **kwargs)
    if convolution is None and isinstance(module, nn.Conv):
      convolution = module.path
      output = call(*args, **kwargs)
      return output
    reads_it = bool(args) and args[0] is output
    if normalisation is None and reads_it and isinstance(module, BatchNorm | nn.BatchNorm):
      normalisation = module
    return call(*args, **kwargs)

  images = jax.ShapeDtypeStruct((1, *image_size, 3), jnp.float32)
  with nn.intercept_methods(watch):
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
  if convolution is None:
    return None
  shape = _at(variables["params"], convolution)["kernel"].shape
  if len(shape) != 4 or shape[0] != shape[1]:
    return None
  if normalisation is None:
    return FirstConvolution(convolution)
  return FirstConvolution(convolution, normalisation.path, float(normalisation.epsilon))


def _at(tree: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
  for name in path:
    tree = tree[name]
  return tree

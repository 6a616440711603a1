"""A network that learns by contrast: a projection for the loss, and a linear probe that classifies.

The projection head is SimCLR's: two layers, 128 numbers, of length 1; it is of no use after
training. The probe is a linear layer on the features that leaves them alone: its gradient ends
there.

References: Chen et al., SimCLR, 2020 (https://arxiv.org/abs/2002.05709); Khosla et al., Supervised
Contrastive Learning, 2020 (https://arxiv.org/abs/2004.11362); CSI
(https://arxiv.org/abs/2007.08176) and its released code.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.losses import Outputs
from apr_jax.models.layers import torch_bias, torch_uniform

_PROJECTION = ("projection1", "projection2")


class Contrastive(nn.Module):
  """A network with a linear probe and, in training, a projection.

  Attributes:
    network: normalised images → features `[B, F]`; one of the zoo's with `num_classes` 0.
    num_classes: number of logits.
    dimensions: of the projection.
  """

  network: nn.Module
  num_classes: int
  dimensions: int = 128

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array | Outputs:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`.

    In training the projection, `[B, dimensions]` of length 1, comes with the logits, and their
    gradient ends at the features.
    """
    features = self.network(images, train)

    def linear(size: int, name: str) -> nn.Dense:
      return nn.Dense(
        size, kernel_init=torch_uniform, bias_init=torch_bias(features.shape[-1]), name=name
      )

    logits = linear(self.num_classes, "fc")(jax.lax.stop_gradient(features) if train else features)
    if not train and not self.is_initializing():
      return logits
    hidden = nn.relu(linear(features.shape[-1], _PROJECTION[0])(features))
    projection = linear(self.dimensions, _PROJECTION[1])(hidden)
    # The small number keeps the gradient finite where everything is zero.
    length = jnp.sqrt(jnp.square(projection).sum(-1, keepdims=True) + 1e-12)
    return Outputs(logits, projection / length) if train else logits


def has_projection(variables: Mapping[str, Any]) -> bool:
  """Whether the variables of a `zoo.NormalisedNetwork` are those of a network with a projection."""
  return _PROJECTION[0] in variables["params"].get("network", {})


def as_plain(variables: Mapping[str, Any]) -> Mapping[str, Any]:
  """The variables of the same classifier without projection, which has the same logits.

  Args:
    variables: "params" and "batch_stats" of a `zoo.NormalisedNetwork`; those of a network without
      projection are returned as they are.
  """
  if not has_projection(variables):
    return variables
  params = variables["params"]["network"]
  return {
    "params": {"network": {**params["network"], "fc": params["fc"]}},
    "batch_stats": variables["batch_stats"].get("network", {}),
  }

"""A network that learns by contrast: a projection for the loss, and linear probes that classify.

The projection head is SimCLR's: two layers, 128 numbers, of length 1; it is of no use after
training. A probe is a linear layer on the features that leaves them alone: its gradient ends there.
CSI has three of them, for the class, for the rotation, and for both.

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
from apr_jax.models import initializers, layers

_PROJECTION = ("projection1", "projection2")
ROTATIONS = 4
HEADS = ("fc", "fc_rotation", "fc_joint")
"""Names of the linear probes: of the class, the rotation, and class + K·rotation."""


class Contrastive(nn.Module):
  """A network with a linear probe and, in training, a projection.

  Attributes:
    network: normalised images → features `[B, F]`; one of the zoo's with `num_classes` 0.
    num_classes: number of logits.
    dimensions: of the projection.
    rotations: whether it has the probes of the rotation and of both.
    frozen: the network is in inference in training too, and there is no projection: the probes
      learn alone.
    ensemble: outside of training, the logits are CSI's: the mean over the four rotations of the
      image of the joint probe's logits of that rotation.
  """

  network: nn.Module
  num_classes: int
  dimensions: int = 128
  rotations: bool = False
  frozen: bool = False
  ensemble: bool = False

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array | Outputs:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`.

    In training the projection, `[B, dimensions]` of length 1, comes with the logits, and their
    gradient ends at the features.
    """
    if self.ensemble and not train and not self.is_initializing():
      images = jnp.concatenate([jnp.rot90(images, turn, (1, 2)) for turn in range(ROTATIONS)])
    features = self.network(images, train and not self.frozen)

    def linear(size: int, name: str) -> nn.Dense:
      return layers.linear(size, name=name, bias_init=initializers.torch_bias(features.shape[-1]))

    seen = jax.lax.stop_gradient(features) if train else features
    if self.ensemble and not train and not self.is_initializing():
      return self._of_all_rotations(linear(ROTATIONS * self.num_classes, HEADS[2])(seen))
    logits = linear(self.num_classes, HEADS[0])(seen)
    if not train and not self.is_initializing():
      return logits
    rotation = joint = None
    if self.rotations:
      rotation = linear(ROTATIONS, HEADS[1])(seen)
      joint = linear(ROTATIONS * self.num_classes, HEADS[2])(seen)
    if self.frozen and not self.is_initializing():
      return Outputs(logits, rotation_logits=rotation, joint_logits=joint)
    hidden = nn.relu(linear(features.shape[-1], _PROJECTION[0])(features))
    projection = linear(self.dimensions, _PROJECTION[1])(hidden)
    # The small number keeps the gradient finite where everything is zero.
    length = jnp.sqrt(jnp.square(projection).sum(-1, keepdims=True) + 1e-12)
    if not train:
      return logits
    return Outputs(logits, projection / length, rotation_logits=rotation, joint_logits=joint)

  def _of_all_rotations(self, joint: jax.Array) -> jax.Array:
    """Joint logits `[4 B, 4 K]` of the images in four rotations → `[B, K]`."""
    by_turn = joint.reshape(ROTATIONS, -1, ROTATIONS, self.num_classes)
    return jnp.stack([by_turn[turn, :, turn] for turn in range(ROTATIONS)]).mean(0)


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

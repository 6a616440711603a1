"""A network with two linear heads: one for the class of the phase, one for that of the amplitude.

In training it returns the logits of both. Otherwise its logits are λ times those of the phase and
1 − λ times those of the amplitude; as both heads are linear, that is a network with one head, and
`fold` makes it.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Equation 7.
"""

from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn

from apr_jax.losses import Outputs
from apr_jax.models import initializers
from apr_jax.models.layers import linear

_PHASE, _AMPLITUDE = "fc", "fc_amplitude"


class TwoLabels(nn.Module):
  """See above.

  Attributes:
    network: normalised images → features `[B, F]`; one of the zoo's with `num_classes` 0.
    num_classes: number of logits of each head.
    share: λ, of the phase's head.
  """

  network: nn.Module
  num_classes: int
  share: float

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array | Outputs:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`, in training both
    heads'.
    """
    features = self.network(images, train)
    phase, amplitude = (
      linear(self.num_classes, name=name, bias_init=initializers.torch_bias(features.shape[-1]))(
        features
      )
      for name in (_PHASE, _AMPLITUDE)
    )
    if train:
      return Outputs(phase, amplitude_logits=amplitude)
    return self.share * phase + (1 - self.share) * amplitude


def fold(variables: Mapping[str, Any], share: float) -> Mapping[str, Any]:
  """The variables of the network with one head and the same logits.

  Args:
    variables: "params" and "batch_stats" of a `zoo.NormalisedNetwork` with two heads.
    share: λ, of the phase's head.
  """
  params = variables["params"]["network"]
  head = jax.tree.map(
    lambda phase, amplitude: share * phase + (1 - share) * amplitude,
    params[_PHASE],
    params[_AMPLITUDE],
  )
  return {
    "params": {"network": {**params["network"], _PHASE: head}},
    "batch_stats": variables["batch_stats"].get("network", {}),
  }

"""A network that compiles in a moment; for commands, this file is a configuration with it."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax import models
from apr_jax.models.layers import BatchNorm
from configs import digits_standard


class TinyNetwork(nn.Module):
  """Patch means, batch norm, and a linear layer unless there are no classes."""

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    batch, height, width, channels = images.shape
    patches = images.reshape(batch, 4, height // 4, 4, width // 4, channels).mean((2, 4))
    x = nn.relu(BatchNorm(axis_name=self.axis_name, name="bn")(patches, train))
    features = x.reshape(batch, -1)
    return nn.Dense(self.num_classes, name="fc")(features) if self.num_classes else features


def get_config():
  models.NETWORKS["tiny"] = TinyNetwork
  config = digits_standard.get_config()
  config.model.name = "tiny"
  return config

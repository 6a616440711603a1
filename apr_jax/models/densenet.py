"""Densely connected networks for 32-pixel images (https://arxiv.org/abs/1608.06993).

APR's paper names DenseNet-BC (k = 12, depth 100); its released code trains depth 40 without
bottlenecks and without compression. The zoo has both.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.in_memory import in_memory
from apr_jax.models import layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map


class DenseBlock(nn.Module):
  """BN, ReLU, 3×3 convolution to `growth` channels, which are appended to the input's.

  With `bottleneck`, a BN, ReLU and 1×1 convolution to 4 · growth channels go before.
  """

  growth: int
  bottleneck: bool
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    out = nn.relu(self.norm(name="bn1")(x, train))
    if self.bottleneck:
      out = self.conv(4 * self.growth, 1, name="conv1")(out)
      out = nn.relu(self.norm(name="bn2")(out, train))
    out = self.conv(self.growth, 3, name="conv2" if self.bottleneck else "conv1")(out)
    return jnp.concatenate([x, out], axis=-1)


class DenseNet(nn.Module):
  """Three stages of dense blocks, with BN, ReLU, a 1×1 convolution and 2×2 average pooling between
  them.

  Attributes:
    depth: number of layers; a stage has (depth − 4) / 3 of them, half as many blocks with
      bottlenecks.
    growth: channels that a block adds.
    bottleneck: see `DenseBlock`.
    compression: factor on the number of channels between two stages.
  """

  num_classes: int
  depth: int
  growth: int
  bottleneck: bool = False
  compression: float = 1.0
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)
    layers_per_block = 2 if self.bottleneck else 1
    blocks = (self.depth - 4) // (3 * layers_per_block)

    x = conv(2 * self.growth, 3, name="conv1")(images)
    for stage in range(1, 4):
      if stage > 1:
        features = math.floor(x.shape[-1] * self.compression)
        x = nn.relu(norm(name=f"transition{stage - 1}_bn")(x, train))
        x = conv(features, 1, name=f"transition{stage - 1}_conv")(x)
        x = in_memory(nn.avg_pool(x, (2, 2), (2, 2)))
      for number in range(1, blocks + 1):
        name = f"stage{stage}_block{number}"
        x = DenseBlock(self.growth, self.bottleneck, conv, norm, name=name)(x, train)
        x = in_memory(x)
    x = nn.relu(norm(name="bn")(x, train))
    return head(mark_last_map(self, x), self.num_classes)

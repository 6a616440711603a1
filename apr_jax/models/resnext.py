"""ResNeXt for 32-pixel images (https://arxiv.org/abs/1611.05431), as APR and AugMix train it.

The released code calls it 32x4 and passes cardinality 4 and base width 32: four groups of 32
channels in the first stage, not 32 groups of four.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models import initializers, layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map

# PyTorch's kaiming_normal_, for the last layer: normal(0, √(2 / fan_in)).
_kaiming_normal = initializers.scaled(2.0, "fan_in", "normal")


class ResNeXtBlock(nn.Module):
  """1×1, grouped 3×3 and 1×1 convolution, each followed by BN; added to the shortcut, then ReLU."""

  features: int
  width: int
  groups: int
  stride: int
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    shortcut = x
    if self.stride != 1 or x.shape[-1] != self.features:
      shortcut = self.conv(self.features, 1, self.stride, name="shortcut_conv")(x)
      shortcut = self.norm(name="shortcut_bn")(shortcut, train)
    x = self.conv(self.width, 1, name="conv1")(x)
    x = nn.relu(self.norm(name="bn1")(x, train))
    x = self.conv(self.width, 3, self.stride, name="conv2", groups=self.groups)(x)
    x = nn.relu(self.norm(name="bn2")(x, train))
    x = self.conv(self.features, 1, name="conv3")(x)
    x = self.norm(name="bn3")(x, train)
    return nn.relu(x + shortcut)


class ResNeXt(nn.Module):
  """Three stages of (depth − 2) / 9 blocks, of width 256, 512 and 1024.

  Attributes:
    depth: number of layers.
    cardinality: groups of the 3×3 convolutions.
    base_width: channels of a group in the first stage; they double with each stage.
  """

  num_classes: int
  depth: int
  cardinality: int
  base_width: int
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)

    def block(stage: int, stride: int, name: str) -> ResNeXtBlock:
      width = self.cardinality * self.base_width * 2**stage
      return ResNeXtBlock(256 * 2**stage, width, self.cardinality, stride, conv, norm, name=name)

    x = conv(64, 3, name="conv1")(images)
    x = nn.relu(norm(name="bn1")(x, train))
    x = layers.stages(x, train, 3 * [(self.depth - 2) // 9], block)
    return head(mark_last_map(self, x), self.num_classes, kernel_init=_kaiming_normal)

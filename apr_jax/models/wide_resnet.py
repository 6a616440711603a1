"""Wide residual networks for 32-pixel images (https://arxiv.org/abs/1605.07146), as APR and AugMix
train them.

Pre-activation blocks without dropout. In a block whose width changes, the shortcut convolution
takes the activated input; elsewhere the shortcut is the input itself.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models import layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map


class WideBlock(nn.Module):
  """BN, ReLU, 3×3 convolution, twice; added to the shortcut."""

  features: int
  stride: int
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    shortcut = x
    x = nn.relu(self.norm(name="bn1")(x, train))
    if shortcut.shape[-1] != self.features:
      shortcut = self.conv(self.features, 1, self.stride, name="shortcut")(x)
    x = self.conv(self.features, 3, self.stride, name="conv1")(x)
    x = nn.relu(self.norm(name="bn2")(x, train))
    x = self.conv(self.features, 3, name="conv2")(x)
    return x + shortcut


class WideResNet(nn.Module):
  """WRN-`depth`-`widen`: three stages of (depth − 4) / 6 blocks, of width 16, 32 and 64 times
  `widen`.
  """

  num_classes: int
  depth: int
  widen: int
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)

    def block(stage: int, stride: int, name: str) -> WideBlock:
      return WideBlock(16 * 2**stage * self.widen, stride, conv, norm, name=name)

    x = conv(16, 3, name="conv1")(images)
    x = layers.stages(x, train, 3 * [(self.depth - 4) // 6], block)
    x = nn.relu(norm(name="bn")(x, train))
    return head(mark_last_map(self, x), self.num_classes)

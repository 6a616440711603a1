"""Residual networks for 32-pixel images (https://arxiv.org/abs/1512.03385): 3×3 stem without max
pooling.

Post-activation blocks, with PyTorch's default initialisation, as in the released APR code.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models import initializers, layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map


class BasicBlock(nn.Module):
  """3×3 convolution, BN, ReLU, 3×3 convolution, BN; added to the shortcut, then ReLU."""

  features: int
  stride: int
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    shortcut = x
    if self.stride != 1 or x.shape[-1] != self.features:
      shortcut = self.conv(self.features, 1, self.stride, name="shortcut_conv")(x)
      shortcut = self.norm(name="shortcut_bn")(shortcut, train)
    x = self.conv(self.features, 3, self.stride, name="conv1")(x)
    x = nn.relu(self.norm(name="bn1")(x, train))
    x = self.conv(self.features, 3, name="conv2")(x)
    x = self.norm(name="bn2")(x, train)
    return nn.relu(x + shortcut)


class ResNet(nn.Module):
  """Four stages of basic blocks, of width 64, 128, 256 and 512."""

  num_classes: int
  stage_sizes: Sequence[int]
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=initializers.torch_uniform)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)

    def block(stage: int, stride: int, name: str) -> BasicBlock:
      return BasicBlock(64 * 2**stage, stride, conv, norm, name=name)

    x = conv(64, 3, name="conv1")(images)
    x = nn.relu(norm(name="bn1")(x, train))
    x = layers.stages(x, train, self.stage_sizes, block)
    return head(
      mark_last_map(self, x), self.num_classes, bias_init=initializers.torch_bias(x.shape[-1])
    )

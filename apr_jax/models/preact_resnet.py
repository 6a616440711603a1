"""Pre-activation residual networks for 32-pixel images (https://arxiv.org/abs/1603.05027).

The released APR code trains one against attacks, that of Fast FGSM training
(https://arxiv.org/abs/2001.03994). Its shortcut convolution takes the block's input as it is,
without BN and ReLU, unlike He et al.; BN and ReLU go before the pool. PyTorch's default
initialisation.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models import initializers, layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map


class PreActBlock(nn.Module):
  """BN, ReLU, 3×3 convolution, twice; added to the shortcut."""

  features: int
  stride: int
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    shortcut = x
    if self.stride != 1 or x.shape[-1] != self.features:
      shortcut = self.conv(self.features, 1, self.stride, name="shortcut")(x)
    x = nn.relu(self.norm(name="bn1")(x, train))
    x = self.conv(self.features, 3, self.stride, name="conv1")(x)
    x = nn.relu(self.norm(name="bn2")(x, train))
    x = self.conv(self.features, 3, name="conv2")(x)
    return x + shortcut


class PreActResNet(nn.Module):
  """Four stages of pre-activation blocks, of width 64, 128, 256 and 512."""

  num_classes: int
  stage_sizes: Sequence[int]
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=initializers.torch_uniform)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)

    def block(stage: int, stride: int, name: str) -> PreActBlock:
      return PreActBlock(64 * 2**stage, stride, conv, norm, name=name)

    x = conv(64, 3, name="conv1")(images)
    x = layers.stages(x, train, self.stage_sizes, block)
    x = nn.relu(norm(name="bn")(x, train))
    return head(
      mark_last_map(self, x), self.num_classes, bias_init=initializers.torch_bias(x.shape[-1])
    )

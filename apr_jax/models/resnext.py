"""ResNeXt for 32-pixel images (https://arxiv.org/abs/1611.05431), as APR and AugMix train it.

The released code calls it 32x4 and passes cardinality 4 and base width 32: four groups of 32
channels in the first stage, not 32 groups of four.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models.layers import BatchNorm, conv, head, mark_last_map

# PyTorch's kaiming_normal_, for the last layer: normal(0, √(2 / fan_in)).
_kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class ResNeXtBlock(nn.Module):
  """1×1, grouped 3×3 and 1×1 convolution, each followed by BN; added to the shortcut, then ReLU."""

  features: int
  width: int
  groups: int
  stride: int
  dtype: Any
  axis_name: str | None

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    norm = lambda name: BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name=name)
    shortcut = x
    if self.stride != 1 or x.shape[-1] != self.features:
      shortcut = conv(self.features, 1, self.stride, name="shortcut_conv", dtype=self.dtype)(x)
      shortcut = norm("shortcut_bn")(shortcut, train)
    x = nn.relu(norm("bn1")(conv(self.width, 1, name="conv1", dtype=self.dtype)(x), train))
    x = conv(self.width, 3, self.stride, name="conv2", dtype=self.dtype, groups=self.groups)(x)
    x = nn.relu(norm("bn2")(x, train))
    x = norm("bn3")(conv(self.features, 1, name="conv3", dtype=self.dtype)(x), train)
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
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    x = conv(64, 3, name="conv1", dtype=self.dtype)(images)
    x = nn.relu(BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name="bn1")(x, train))
    for stage in range(3):
      width = self.cardinality * self.base_width * 2**stage
      for block in range((self.depth - 2) // 9):
        stride = 2 if stage > 0 and block == 0 else 1
        x = ResNeXtBlock(
          256 * 2**stage,
          width,
          self.cardinality,
          stride,
          self.dtype,
          self.axis_name,
          name=f"stage{stage + 1}_block{block + 1}",
        )(x, train)
    return head(mark_last_map(self, x), self.num_classes, kernel_init=_kaiming_normal)

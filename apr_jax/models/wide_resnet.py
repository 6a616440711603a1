"""Wide residual networks for 32-pixel images (https://arxiv.org/abs/1605.07146), as APR and AugMix
train them.

Pre-activation blocks without dropout. In a block whose width changes, the shortcut convolution
takes the activated input; elsewhere the shortcut is the input itself.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models.layers import BatchNorm, conv, head, mark_last_map


class WideBlock(nn.Module):
  """BN, ReLU, 3×3 convolution, twice; added to the shortcut."""

  features: int
  stride: int
  dtype: Any
  axis_name: str | None

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    norm = lambda name: BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name=name)
    shortcut = x
    x = nn.relu(norm("bn1")(x, train))
    if shortcut.shape[-1] != self.features:
      shortcut = conv(self.features, 1, self.stride, name="shortcut", dtype=self.dtype)(x)
    x = conv(self.features, 3, self.stride, name="conv1", dtype=self.dtype)(x)
    x = nn.relu(norm("bn2")(x, train))
    x = conv(self.features, 3, name="conv2", dtype=self.dtype)(x)
    return x + shortcut


class WideResNet(nn.Module):
  """WRN-`depth`-`widen`: three stages of (depth − 4) / 6 blocks, of width 16, 32 and 64 times
  `widen`.
  """

  num_classes: int
  depth: int
  widen: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    x = conv(16, 3, name="conv1", dtype=self.dtype)(images)
    for stage in range(3):
      for block in range((self.depth - 4) // 6):
        stride = 2 if stage > 0 and block == 0 else 1
        x = WideBlock(
          16 * 2**stage * self.widen,
          stride,
          self.dtype,
          self.axis_name,
          name=f"stage{stage + 1}_block{block + 1}",
        )(x, train)
    x = nn.relu(BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name="bn")(x, train))
    return head(mark_last_map(self, x), self.num_classes)

"""Residual networks for ImageNet (https://arxiv.org/abs/1512.03385), v1.5: the 3×3 convolution of a
block strides.

Architecture and initialisation are torchvision's. With `max_blur_pool` the networks are those of
Zhang 2019 (https://arxiv.org/abs/1904.11486), which blur wherever they downsample after the stem's
convolution.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models import initializers, layers
from apr_jax.models.layers import Axis, BatchNorm, Layer, head, mark_last_map

BLUR = (1 / 8, 3 / 8, 3 / 8, 1 / 8)  # the filter along one axis, Zhang's released default


def blur_pool(x: jax.Array) -> jax.Array:
  """Binomial 4×4 blur with reflected borders, at every second pixel: `[B, H, W, C]` →
  `[B, ⌈H/2⌉, ⌈W/2⌉, C]`.
  """
  for axis in (1, 2):
    size = x.shape[axis]
    padded = jnp.pad(x, [(1, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
    # A sum of four slices: as a convolution it would have one group per channel, which is slow to
    # differentiate.
    x = functools.reduce(
      jnp.add,
      (
        weight * jax.lax.slice_in_dim(padded, tap, tap + size, 2, axis)
        for tap, weight in enumerate(BLUR)
      ),
    )
  return x


class Bottleneck(nn.Module):
  """1×1, 3×3 and 1×1 convolution, each followed by BN; added to the shortcut, then ReLU.

  The output has 4 · `width` channels. With `max_blur_pool` a striding block blurs and subsamples
  instead, after its 3×3 convolution and before the one of the shortcut.
  """

  width: int
  stride: int
  max_blur_pool: bool
  conv: Layer
  norm: Layer

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    blur = blur_pool if self.max_blur_pool and self.stride == 2 else lambda x: x
    stride = 1 if self.max_blur_pool else self.stride
    features = 4 * self.width
    shortcut = x
    if self.stride != 1 or x.shape[-1] != features:
      shortcut = self.conv(features, 1, stride, name="shortcut_conv")(blur(x))
      shortcut = self.norm(name="shortcut_bn")(shortcut, train)
    x = self.conv(self.width, 1, name="conv1")(x)
    x = nn.relu(self.norm(name="bn1")(x, train))
    x = self.conv(self.width, 3, stride, name="conv2")(x)
    x = nn.relu(self.norm(name="bn2")(x, train))
    x = self.conv(features, 1, name="conv3")(blur(x))
    x = self.norm(name="bn3")(x, train)
    return nn.relu(x + shortcut)


class ImageNetResNet(nn.Module):
  """7×7 stem with max pooling, then four stages of bottleneck blocks, of width 256, 512, 1024 and
  2048.

  Attributes:
    stage_sizes: number of blocks.
    max_blur_pool: downsample by blurring; see `blur_pool` and `Bottleneck`. The stem's convolution
      strides as ever.
  """

  num_classes: int
  stage_sizes: Sequence[int]
  max_blur_pool: bool = False
  dtype: Any = jnp.float32
  axis_name: Axis = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, H, W, 3]` → logits float32 `[B, num_classes]`."""
    conv = functools.partial(layers.conv, dtype=self.dtype)
    norm = functools.partial(BatchNorm, dtype=self.dtype, axis_name=self.axis_name)

    def block(stage: int, stride: int, name: str) -> Bottleneck:
      return Bottleneck(64 * 2**stage, stride, self.max_blur_pool, conv, norm, name=name)

    x = conv(64, 7, 2, name="conv1")(images)
    x = nn.relu(norm(name="bn1")(x, train))
    if self.max_blur_pool:
      x = blur_pool(nn.max_pool(x, (2, 2), (1, 1)))
    else:
      x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
    x = layers.stages(x, train, self.stage_sizes, block)
    return head(
      mark_last_map(self, x), self.num_classes, bias_init=initializers.torch_bias(x.shape[-1])
    )

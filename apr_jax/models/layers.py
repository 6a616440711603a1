"""The layers the networks share, with the padding, initialisation and statistics of their PyTorch
originals.

Images are float `[B, H, W, C]`. Parameters and statistics are float32; `dtype` is that of the
arithmetic.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.device_group import ALONE, DeviceGroup
from apr_jax.in_memory import in_memory
from apr_jax.models import convolution, image_by_image, initializers, norm_route

Axis = str | DeviceGroup | None
"""Over which devices batch statistics are averaged in training: those of the mapped axis of that
name, or of each group of its devices; None: each device has its own.
"""

Layer = Callable[..., nn.Module]
"""What makes a layer, with the network's dtype and the like filled in: a block is handed it.

A network's `conv` is called as the function below, its `norm` as `norm(name="bn1")(x, train)`.
"""


def conv(
  features: int,
  kernel: int,
  stride: int = 1,
  *,
  name: str,
  dtype: Any,
  padding: int | None = None,
  use_bias: bool = False,
  groups: int = 1,
  kernel_init: nn.initializers.Initializer = initializers.he_normal,
  bias_init: nn.initializers.Initializer = initializers.zeros,
) -> nn.Conv:
  """A square convolution padded by `padding` on every side (default `kernel // 2`).

  The padding is explicit because Flax's "SAME" pads an even image only at the bottom and right when
  striding.
  """
  padding = kernel // 2 if padding is None else padding
  return nn.Conv(
    features,
    (kernel, kernel),
    strides=stride,
    padding=((padding, padding), (padding, padding)),
    feature_group_count=groups,
    use_bias=use_bias,
    dtype=dtype,
    kernel_init=kernel_init,
    bias_init=bias_init,
    conv_general_dilated=convolution.convolve,
    name=name,
  )


def linear(
  features: int,
  *,
  name: str,
  kernel_init: nn.initializers.Initializer = initializers.torch_uniform,
  bias_init: nn.initializers.Initializer = initializers.zeros,
) -> nn.Dense:
  """A linear layer of `[B, C]`, in float32."""
  return nn.Dense(
    features,
    kernel_init=kernel_init,
    bias_init=bias_init,
    dot_general=image_by_image.dot_general,
    name=name,
  )


def stages(
  x: jax.Array, train: bool, sizes: Sequence[int], block: Callable[..., nn.Module]
) -> jax.Array:
  """The stages of a residual network, each of equal blocks; all but the first begin by striding.

  Args:
    x: float `[B, H, W, C]`.
    train: whether batch statistics are those of the batch.
    sizes: number of blocks in each stage.
    block: makes a block of a stage, counted from 0: `block(stage, stride, name=...)`. The names are
      stage1_block1 and so on, counted from 1.

  Returns:
    float `[B, H', W', C']` of the last block.
  """
  for stage, size in enumerate(sizes):
    for number in range(size):
      stride = 2 if stage > 0 and number == 0 else 1
      x = block(stage, stride, name=f"stage{stage + 1}_block{number + 1}")(x, train)
      x = in_memory(x)
  return x


class BatchNorm(nn.Module):
  """Batch normalisation with PyTorch's running statistics (`torch.nn.BatchNorm2d`).

  Unlike `flax.linen.BatchNorm`, the running variance is the unbiased estimate of the batch's. Its
  variables are those of the current route; see `norm_route`.

  Attributes:
    axis_name: mapped axis, or group of its devices, over which training statistics are averaged;
      None keeps them per device.
    momentum: weight of the new batch in the running statistics (PyTorch's sense).
    epsilon: added to the variance.
  """

  dtype: Any = jnp.float32
  axis_name: Axis = None
  momentum: float = 0.1
  epsilon: float = 1e-5

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """x `[B, H, W, C]` → `dtype` of the same shape; `train` selects the batch's statistics."""
    features, route = x.shape[-1:], norm_route.current()
    scale = self.param(f"{route}scale", initializers.ones, features)
    bias = self.param(f"{route}bias", initializers.zeros, features)
    running_mean = self.variable("batch_stats", f"{route}mean", initializers.zeros, None, features)
    running_var = self.variable("batch_stats", f"{route}var", initializers.ones, None, features)

    if self.is_initializing():  # where nobody looks at what is computed, only at its shape
      return x.astype(self.dtype)
    if train:
      wide = x.astype(jnp.float32)
      mean, mean_square = wide.mean((0, 1, 2)), jnp.square(wide).mean((0, 1, 2))
      count = x.size // x.shape[-1]
      group = _group(self.axis_name)
      mean, mean_square = group.mean((mean, mean_square))
      count *= group.devices
      var = jnp.maximum(mean_square - jnp.square(mean), 0)
      unbiased = var * (count / max(count - 1, 1))
      running_mean.value += self.momentum * (mean - running_mean.value)
      running_var.value += self.momentum * (unbiased - running_var.value)
    else:
      mean, var = running_mean.value, running_var.value

    factor = scale * jax.lax.rsqrt(var + self.epsilon)
    return (x * factor + (bias - mean * factor)).astype(self.dtype)


def _group(axis: Axis) -> DeviceGroup:
  if axis is None:
    return ALONE
  return DeviceGroup(axis) if isinstance(axis, str) else axis


def global_average_pool(x: jax.Array) -> jax.Array:
  """Mean over height and width in float32: `[B, H, W, C]` → `[B, C]`."""
  return image_by_image.mean(x.astype(jnp.float32))


def mark_last_map(module: nn.Module, x: jax.Array, margin: int = 0) -> jax.Array:
  """Lets `apply` read the network's last feature map, and differentiate with respect to it, as
  Grad-CAM does.

  With `mutable=["intermediates"]` the map is among the intermediates, as "last_map"; what `apply`
  gets as "perturbations", a tree of the same structure, is added to it. Otherwise this is nothing:
  no variable is made, and the program is the same. (Flax's own `perturb` would make variables, of
  the batch's shape, in `init`.)

  Args:
    module: the network that calls.
    x: `[B, h, w, C]`, before pooling.
    margin: how many of the outermost rows and columns lie outside the image; they are left out.

  Returns:
    x.
  """
  inside = x[:, margin : x.shape[1] - margin, margin : x.shape[2] - margin]
  module.sow(
    "intermediates", "last_map", inside, init_fn=lambda: None, reduce_fn=lambda _, new: new
  )
  perturbation: jax.Array | None = module.get_variable("perturbations", "last_map")
  if perturbation is None:
    return x
  return x + jnp.pad(perturbation, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def head(
  x: jax.Array,
  num_classes: int,
  *,
  kernel_init: nn.initializers.Initializer = initializers.torch_uniform,
  bias_init: nn.initializers.Initializer = initializers.zeros,
) -> jax.Array:
  """The end of every network: the mean over height and width, then the calling module's linear
  layer "fc".

  Args:
    x: the last feature map, `[B, H, W, C]`.
    num_classes: number of logits; 0 leaves the linear layer out.
    kernel_init, bias_init: of the linear layer.

  Returns:
    float32 logits `[B, num_classes]`, or features `[B, C]` without the linear layer.
  """
  features = global_average_pool(x)
  if num_classes == 0:
    return features
  return linear(num_classes, name="fc", kernel_init=kernel_init, bias_init=bias_init)(features)

"""The all-convolutional network for 32-pixel images (https://arxiv.org/abs/1412.6806), as APR and
AugMix train it.

The released code pads the two 1×1 convolutions, which grows the map from 6 to 8 to 10 pixels, and
then averages over 8×8 windows, of which only the top left one fits. Its checkpoints need both.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.errors import UserError
from apr_jax.models.layers import Axis, BatchNorm, conv, head, mark_last_map

SIZE = 32
_WINDOW = 8  # of the average pool, in pixels


class AllConv(nn.Module):
  """Three convolutions of width 96 and three of 192, each followed by max pooling and dropout; then
  three of 192.

  All have biases, batch normalisation and the activation x·sigmoid(1.702 x).
  """

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: Axis = None
  dropout: float = 0.5

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    """Normalised images float `[B, 32, 32, 3]` → logits float32 `[B, num_classes]`.

    Training takes a PRNG key "dropout".

    Raises:
      UserError: the images have another size.
    """
    if images.shape[1:3] != (SIZE, SIZE):
      raise UserError(
        f"allconv takes images of {SIZE}×{SIZE} pixels, got {images.shape[1]}×{images.shape[2]}; "
        f"set data.image_size={SIZE}, or choose another model.name"
      )

    def layer(
      x: jax.Array, number: int, features: int, kernel: int = 3, padding: int = 1
    ) -> jax.Array:
      x = conv(
        features, kernel, name=f"conv{number}", dtype=self.dtype, padding=padding, use_bias=True
      )(x)
      x = BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name=f"bn{number}")(x, train)
      return x * nn.sigmoid(1.702 * x)

    x = images
    for stage, features in enumerate((96, 192)):
      for number in range(3 * stage + 1, 3 * stage + 4):
        x = layer(x, number, features)
      x = nn.Dropout(self.dropout, deterministic=not train)(nn.max_pool(x, (2, 2), (2, 2)))
    x = layer(x, 7, 192, padding=0)
    for number in (8, 9):
      x = layer(x, number, 192, kernel=1)
    x = mark_last_map(self, x, margin=1)  # of the two paddings one puts back what conv7 has cut off
    return head(x[:, :_WINDOW, :_WINDOW], self.num_classes)

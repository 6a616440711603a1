"""A pixel as one number: the form in which a TPU moves pixels about.

What it costs a TPU to select among shifted copies of an image is above all their reading, and a
channel by itself takes as long to read as all three in a word.
"""

import jax
import jax.numpy as jnp
import numpy as np

_SHIFTS = np.arange(0, 24, 8)[:, None, None]  # of the channels in a word


def pack(image: jax.Array) -> jax.Array:
  """uint8 `[H, W, 3]` → int32 `[H, W]`, channel c in bits 8c to 8c + 7."""
  return jnp.sum(jnp.moveaxis(image, -1, 0).astype(jnp.int32) << _SHIFTS, axis=0)


def unpack(words: jax.Array) -> jax.Array:
  """The inverse of `pack`."""
  # A word is computed once for its three channels.
  words = jax.lax.optimization_barrier(words)
  return jnp.moveaxis((words >> _SHIFTS & 255).astype(jnp.uint8), 0, -1)


def grey(value: int) -> int:
  """The word of a pixel with that value, 0 to 255, in all channels."""
  return value * 0x010101

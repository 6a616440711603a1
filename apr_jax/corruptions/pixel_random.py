"""Random values for every pixel of a batch, cheap enough for a CPU.

JAX's threefry spends some 200 integer operations on each 32-bit word; on a CPU that was most of the
time of every noise corruption. Here threefry only makes two 32-bit words per image, its keys. The
image's n-th value is a hash of n under these keys: two passes of a 32-bit integer mixer (xor-shifts
and multiplications; the constants are C. Wellons' "lowbias32", whose output bits each flip with
nearly probability one half when an input bit does). Such a generator serves noise in images; it is
not for cryptography. Like threefry it depends on nothing but the key and the position, so a result
is the same for any batch size and on any number of devices.
"""

import math

import chex
import jax
import jax.numpy as jnp


def _mix(word: jax.Array) -> jax.Array:
  word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
  word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
  return word ^ (word >> 16)


# A program of its own: threefry takes longer to compile than most corruptions.
@jax.jit
def image_keys(key: jax.Array, positions: jax.Array) -> jax.Array:
  """The keys of some images: bits of fold_in(key, position).

  Args:
    key: a JAX random key.
    positions: int `[B]`, the images' positions in their data set.

  Returns:
    uint32 `[B, 2]`.
  """

  def of_image(position: jax.Array) -> jax.Array:
    return jax.random.bits(jax.random.fold_in(key, position), (2,), jnp.uint32)

  return jax.vmap(of_image)(positions)


def bits(keys: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Uniform 32-bit words, uint32 `[B, *shape]`, for B pairs of keys."""
  chex.assert_shape(keys, (None, 2))
  chex.assert_type(keys, jnp.uint32)
  keys = keys.reshape(keys.shape + (1,) * len(shape))
  position = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
  return _mix(_mix(position ^ keys[:, 0]) + keys[:, 1])


def split(keys: jax.Array, count: int) -> list[jax.Array]:
  """`count` independent lists of keys, each uint32 `[B, 2]`; draw no values from the old ones."""
  words = bits(keys, (count, 2))
  return [words[:, i] for i in range(count)]


def uniform(
  keys: jax.Array, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0
) -> jax.Array:
  """U[low, high), float32 `[B, *shape]`, in 2^24 steps."""
  return low + (high - low) * ((bits(keys, shape) >> 8).astype(jnp.float32) * 2.0**-24)


def normal(keys: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """N(0, 1), float32 `[B, *shape]`, by the inverse of the distribution function; |value| < 5.5."""
  # Half a step off the ends keeps the argument inside (-1, 1).
  symmetric = (bits(keys, shape) >> 8).astype(jnp.float32) * 2.0**-23 + (2.0**-24 - 1.0)
  return jnp.sqrt(2.0) * jax.lax.erf_inv(symmetric)

"""Per-channel lookup tables: the augmentations that map each pixel value to another.

A table is uint8 `[3, 256]`: `table[channel, value]` replaces `value`. Autocontrast and equalize
read their table off the image's histogram, int32 `[3, 256]`; posterize and solarize depend on their
level only. All four equal Pillow's `ImageOps` exactly, for every value that occurs in the image.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def apply(image: jax.Array, table: jax.Array) -> jax.Array:
  """Replaces each value of a uint8 `[H, W, 3]` image by `table[channel, value]`; uint8 of the same
  shape.
  """
  return (
    table.reshape(-1).at[_bins(image)].get(mode="promise_in_bounds", wrap_negative_indices=False)
  )


def histogram(image: jax.Array) -> jax.Array:
  """Counts of each value per channel of a uint8 `[H, W, 3]` image; int32 `[3, 256]`."""
  counts = jnp.zeros(3 * 256, jnp.int32)
  return (
    counts.at[_bins(image)]
    .add(1, mode="promise_in_bounds", wrap_negative_indices=False)
    .reshape(3, 256)
  )


def identity() -> jax.Array:
  """Leaves every value as it is."""
  return _same_for_each_channel(_values())


def invert() -> jax.Array:
  """255 − the value."""
  return _same_for_each_channel(255 - _values())


def autocontrast(counts: jax.Array) -> jax.Array:
  """Stretches each channel so that its darkest value becomes 0 and its lightest 255.

  The table is ⌊255 (v − low) / (high − low)⌋, less one where Pillow's double precision lands just
  below the integer.
  """
  occurs = counts > 0
  low = jnp.min(jnp.where(occurs, _values(), 255), axis=1, keepdims=True)
  high = jnp.max(jnp.where(occurs, _values(), 0), axis=1, keepdims=True)
  # Half a step above the exact quotient of integers, the rounding of float32 cannot cross an
  # integer.
  quotient = jnp.floor((255 * (_values() - low) + 0.5) / jnp.maximum(high - low, 1)).astype(
    jnp.int32
  )
  stretched = jnp.clip(quotient - _rounded_down(low, high), 0, 255)
  return jnp.where(high > low, stretched, _values()).astype(jnp.uint8)


def equalize(counts: jax.Array) -> jax.Array:
  """Makes the distribution of each channel's values as uniform as a table can."""
  below = jnp.cumsum(counts, axis=1) - counts
  step = jnp.max(jnp.where(counts > 0, below, 0), axis=1, keepdims=True) // 255
  equalized = jnp.minimum(
    jax.lax.div(step // 2 + below, jnp.broadcast_to(jnp.maximum(step, 1), counts.shape)), 255
  )
  return jnp.where(step > 0, equalized, _values()).astype(jnp.uint8)


def posterize(bits: jax.Array) -> jax.Array:
  """Keeps the `bits` highest bits (1 to 8) of each value."""
  dropped = 8 - bits
  return _same_for_each_channel(_values() >> dropped << dropped)


def solarize(threshold: jax.Array) -> jax.Array:
  """Inverts the values from `threshold` (0 to 256) on."""
  return _same_for_each_channel(jnp.where(_values() < threshold, _values(), 255 - _values()))


def choose(index: jax.Array, choices: list[jax.Array]) -> jax.Array:
  """`choices[index]` for uint8 tables, as a product with a one-hot vector: exact in any precision.

  XLA would fuse a gather here into the lookup that follows, and compute all tables anew for every
  pixel.
  """
  one_hot = jax.nn.one_hot(index, len(choices))
  return jnp.einsum("i,icv->cv", one_hot, jnp.stack(choices).astype(jnp.float32)).astype(jnp.uint8)


def _values() -> jax.Array:
  return jnp.arange(256)


def _same_for_each_channel(values: jax.Array) -> jax.Array:
  return jnp.tile(values.astype(jnp.uint8), (3, 1))


def _bins(image: jax.Array) -> jax.Array:
  """The index of each pixel's value in a flattened `[3, 256]` table; int32 `[H, W, 3]`."""
  return image.astype(jnp.int32) + 256 * jnp.arange(3)


def _rounded_down(low: jax.Array, high: jax.Array) -> jax.Array:
  """1 where Pillow's autocontrast of that channel loses one level to rounding, else 0; int32
  `[3, 256]`.
  """
  row_of, rows = _autocontrast_rounding()
  row = jnp.asarray(rows)[jnp.asarray(row_of)[low[:, 0], high[:, 0]].astype(jnp.int32)]
  return (row[:, _values() // 8] >> (7 - _values() % 8) & 1).astype(jnp.int32)


@functools.cache
def _autocontrast_rounding() -> tuple[np.ndarray, np.ndarray]:
  """Where Pillow's autocontrast loses one level to rounding.

  Pillow computes int(v · scale + offset) with scale = 255 / (high − low) and offset = −low · scale
  in double precision. Where the exact result is an integer, the rounded one can be a hair smaller,
  and the truncation then loses a level. That depends on (low, high, v) without a pattern, so it is
  tabulated.

  Returns:
    uint16 `[256, 256]`, for (low, high) a row of the second array, uint8 `[rows, 32]`, whose bits
    are the answer for the 256 values, in the order of `numpy.packbits`.
  """
  low, high = np.triu_indices(256, k=1)
  span = (high - low).astype(np.int64)
  loses = np.zeros((256, 256, 256), bool)
  for above in range(1, 256):
    exact, remainder = np.divmod(255 * above, span)
    candidate = (above <= span) & (remainder == 0)
    start, end = low[candidate], high[candidate]
    scale = 255.0 / span[candidate]
    value = (start + above) * scale + -start * scale
    loses[start, end, start + above] = value.astype(np.int64) < exact[candidate]
  rows, row_of = np.unique(
    np.packbits(loses, axis=-1).reshape(256 * 256, 32), axis=0, return_inverse=True
  )
  return row_of.reshape(256, 256).astype(np.uint16), rows

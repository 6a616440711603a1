"""Per-channel lookup tables: the augmentations that map each pixel value to another.

A table is uint8 `[3, 256]`: `table[channel, value]` replaces `value`. Autocontrast and equalize
read their table off the image's histogram, int32 `[3, 256]`; posterize and solarize depend on their
level only. All four equal Pillow's `ImageOps` exactly, for every value that occurs in the image.

What reads or counts at the place of a value has two forms with equal results; `form` is that of
`forms.by_platform`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import forms
from apr_jax.augment import shifts


def apply(image: jax.Array, table: jax.Array, form: str | None = None) -> jax.Array:
  """Replaces each value of a uint8 `[H, W, 3]` image by `table[channel, value]`; uint8 of the same
  shape.
  """

  def by_index(image: jax.Array, table: jax.Array) -> jax.Array:
    return (
      table.reshape(-1).at[_bins(image)].get(mode="promise_in_bounds", wrap_negative_indices=False)
    )

  return forms.by_platform(by_index, _apply_by_selection, image, table, form=form)


def histogram(image: jax.Array, form: str | None = None) -> jax.Array:
  """Counts of each value per channel of a uint8 `[H, W, 3]` image; int32 `[3, 256]`."""

  def by_index(image: jax.Array) -> jax.Array:
    counts = jnp.zeros(3 * 256, jnp.int32)
    return (
      counts.at[_bins(image)]
      .add(1, mode="promise_in_bounds", wrap_negative_indices=False)
      .reshape(3, 256)
    )

  return forms.by_platform(by_index, _histogram_by_products, image, form=form)


def identity() -> jax.Array:
  """Leaves every value as it is."""
  return _same_for_each_channel(_values())


def invert() -> jax.Array:
  """255 − the value."""
  return _same_for_each_channel(255 - _values())


def autocontrast(counts: jax.Array, form: str | None = None) -> jax.Array:
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
  stretched = jnp.clip(quotient - _rounded_down(low, high, form), 0, 255)
  return jnp.where(high > low, stretched, _values()).astype(jnp.uint8)


def equalize(counts: jax.Array, form: str | None = None) -> jax.Array:
  """Makes the distribution of each channel's values as uniform as a table can."""
  below = forms.by_platform(_below, _below_by_products, counts, form=form)
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


def choose(index: jax.Array, choices: list[jax.Array], form: str | None = None) -> jax.Array:
  """`choices[index]` for uint8 tables."""

  def by_one_hot(index: jax.Array, *choices: jax.Array) -> jax.Array:
    # Exact in any precision. XLA would fuse a gather here into the lookup that follows, and compute
    # all tables anew for every pixel.
    one_hot = jax.nn.one_hot(index, len(choices))
    stacked = jnp.stack(choices).astype(jnp.float32)
    return jnp.einsum("i,icv->cv", one_hot, stacked).astype(jnp.uint8)

  def by_selection(index: jax.Array, *choices: jax.Array) -> jax.Array:
    return shifts.select(index, choices)

  return forms.by_platform(by_one_hot, by_selection, index, *choices, form=form)


def _values() -> jax.Array:
  return jnp.arange(256)


def _same_for_each_channel(values: jax.Array) -> jax.Array:
  return jnp.tile(values.astype(jnp.uint8), (3, 1))


def _bins(image: jax.Array) -> jax.Array:
  """The index of each pixel's value in a flattened `[3, 256]` table; int32 `[H, W, 3]`."""
  return image.astype(jnp.int32) + 256 * jnp.arange(3)


def _apply_by_selection(image: jax.Array, table: jax.Array) -> jax.Array:
  # Four values to a word, so that 63 selections find the word and a shift the value in it.
  quarters = table.astype(jnp.int32).reshape(3, 4, 64)
  words = quarters[:, 0] | quarters[:, 1] << 8 | quarters[:, 2] << 16 | quarters[:, 3] << 24
  # As wide as a row of the image already: XLA would else copy each of the words by itself.
  rows = jnp.broadcast_to(words.T[:, :, None, None], (64, 3, 1, image.shape[1]))
  found = list(jax.lax.optimization_barrier(rows))
  planes = jnp.moveaxis(image, -1, 0).astype(jnp.int32)
  for bit in range(6):
    odd = planes >> bit & 1 == 1
    found = [jnp.where(odd, second, first) for first, second in zip(found[::2], found[1::2])]
  return jnp.moveaxis((found[0] >> (planes >> 6) * 8 & 255).astype(jnp.uint8), 0, -1)


def _histogram_by_products(image: jax.Array) -> jax.Array:
  # A value is 16 · high + low: a product of one-hot vectors counts the pairs.
  values = jnp.moveaxis(image.astype(jnp.int32), -1, 0).reshape(3, -1)
  high = jax.nn.one_hot(values >> 4, 16, dtype=jnp.bfloat16)
  low = jax.nn.one_hot(values & 15, 16, dtype=jnp.bfloat16)
  counts = jnp.einsum("cph,cpl->chl", high, low, preferred_element_type=jnp.float32)
  return jax.lax.optimization_barrier(counts.reshape(3, 256).astype(jnp.int32))


def _below(counts: jax.Array) -> jax.Array:
  """How many pixels have a smaller value; int32 `[3, 256]`."""
  return jnp.cumsum(counts, axis=1) - counts


def _below_by_products(counts: jax.Array) -> jax.Array:
  smaller = np.triu(np.ones((256, 256), np.float32), k=1)
  return _exact_product(counts, smaller).astype(jnp.int32)


def _rounded_down(low: jax.Array, high: jax.Array, form: str | None) -> jax.Array:
  """1 where Pillow's autocontrast of that channel loses one level to rounding, else 0; int32
  `[3, 256]`.
  """
  row_of, rows = _autocontrast_rounding()

  def by_index(low: jax.Array, high: jax.Array) -> jax.Array:
    return jnp.asarray(rows)[jnp.asarray(row_of)[low[:, 0], high[:, 0]].astype(jnp.int32)]

  def by_products(low: jax.Array, high: jax.Array) -> jax.Array:
    of_low = _exact_product(low == _values(), row_of)
    number = jnp.sum(jnp.where(high == _values(), of_low, 0), axis=1, keepdims=True)
    return _exact_product(number == jnp.arange(len(rows)), rows).astype(jnp.uint8)

  row = forms.by_platform(by_index, by_products, low, high, form=form)
  bits = row[:, :, None] >> jnp.arange(7, -1, -1, dtype=jnp.uint8) & 1
  return bits.reshape(3, 256).astype(jnp.int32)


def _exact_product(first: jax.Array, second: np.ndarray) -> jax.Array:
  """The product of matrices of whole numbers, float32; exact below 2^24 on every platform."""
  return jnp.matmul(
    first.astype(jnp.float32), second.astype(np.float32), precision=jax.lax.Precision.HIGHEST
  )


@functools.cache
def _autocontrast_rounding() -> tuple[np.ndarray, np.ndarray]:
  """Where Pillow's autocontrast loses one level to rounding.

  Pillow computes int(v · scale + offset) with scale = 255 / (high − low) and offset = −low · scale
  in double precision. Where the exact result is an integer, the rounded one can be a hair smaller,
  and the truncation then loses a level. That depends on (low, high, v) without a pattern, so it is
  tabulated.

  Returns:
    uint16 `[256, 256]`, for (low, high) a row of the second array, uint8 `[rows, 32]`, whose bits
    are the answer for the 256 values, in the order of `numpy.packbits`. No two rows are equal.
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
  numbers: dict[bytes, int] = {}  # numpy.unique, which sorts, takes ten times as long
  row_of = [
    numbers.setdefault(row.tobytes(), len(numbers))
    for row in np.packbits(loses, axis=-1).reshape(256 * 256, 32)
  ]
  rows = np.frombuffer(b"".join(numbers), np.uint8).reshape(-1, 32)
  return np.array(row_of, np.uint16).reshape(256, 256), rows

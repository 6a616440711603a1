"""The nine operations of APR-S (AugMix's set without those that overlap with the corruption
benchmarks).

Images are uint8 `[H, W, 3]`. Every operation is either a lookup table or an affine warp, so an
operation drawn at random is data, a table and six numbers, and not control flow: for a batch,
`jax.vmap` of `random_op` is one histogram, one table lookup and one warp.

The functions agree with the Pillow calls named in them: the lookups exactly, the warps within one
level.

Reference: AugMix (https://arxiv.org/abs/1912.02781), whose levels and signs these are; APR, Section
3.3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from apr_jax import settings
from apr_jax.augment import shifts, tables
from apr_jax.augment.warp import IDENTITY, rotation, select, warp, with_entry

NUM_OPS = 9
_FIRST_WARP = 4  # behind the lookups

SEVERITY = settings.above(0.1, at_most=10)
"""The rule of every severity: upper end of the level, in tenths of an operation's largest."""


def severity_setting() -> float:
  """The severity of these operations, as a setting of a method."""
  return settings.setting(3.0, "tenths of the operations' largest level", SEVERITY)


def autocontrast(image: jax.Array) -> jax.Array:
  """Stretches the contrast of each channel to 0..255: `ImageOps.autocontrast(image)`.

  Examples:
    >>> image = jnp.array([[[50] * 3, [101] * 3]], jnp.uint8)
    >>> autocontrast(image)[0, :, 0].tolist()
    [0, 255]
  """
  return tables.apply(checked(image), tables.autocontrast(tables.histogram(image)))


def equalize(image: jax.Array) -> jax.Array:
  """Equalises the histogram of each channel: `ImageOps.equalize(image)`.

  Examples:
    >>> equalize(jnp.full((4, 4, 3), 100, jnp.uint8))[0, 0].tolist()  # one value stays
    [100, 100, 100]
  """
  return tables.apply(checked(image), tables.equalize(tables.histogram(image)))


def posterize(image: jax.Array, bits: int | jax.Array) -> jax.Array:
  """Keeps the `bits` (1 to 8) highest bits of each value: `ImageOps.posterize(image, bits)`.

  Examples:
    >>> posterize(np.full((2, 2, 3), 255, np.uint8), 2)[0, 0].tolist()
    [192, 192, 192]
  """
  return tables.apply(checked(image), tables.posterize(jnp.asarray(bits)))


def solarize(image: jax.Array, threshold: int | jax.Array) -> jax.Array:
  """Inverts the values from `threshold` (0 to 256) on: `ImageOps.solarize(image, threshold)`.

  Examples:
    >>> solarize(np.full((2, 2, 3), 200, np.uint8), 128)[0, 0].tolist()
    [55, 55, 55]
  """
  return tables.apply(checked(image), tables.solarize(jnp.asarray(threshold)))


def rotate(image: jax.Array, degrees: float | jax.Array) -> jax.Array:
  """Rotates counter-clockwise about the centre: `image.rotate(degrees, BILINEAR)`.

  Examples:
    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[:, 4:] = 90  # the right half; a quarter turn makes it the upper one
    >>> rotate(image, 90)[[0, 7], 3, 0].tolist()
    [90, 0]
  """
  height, width, _ = checked(image).shape
  return warp(image, rotation(degrees, height, width))


def shear_x(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Reads row y shifted by `factor`·y:
  `image.transform(size, AFFINE, (1, factor, 0, 0, 1, 0), BILINEAR)`.

  Examples:
    >>> image = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None], (8, 8, 3))
    >>> shear_x(image, 1.0)[2, :4, 0].tolist()  # row 2, whose middle is at 2.5
    [2, 3, 4, 5]
  """
  return warp(checked(image), with_entry(1, factor))


def shear_y(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Reads column x shifted by `factor`·x:
  `image.transform(size, AFFINE, (1, 0, 0, factor, 1, 0), BILINEAR)`.

  Examples:
    >>> image = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None], (8, 8, 3))
    >>> shear_y(image, 1.0)[:4, 2, 0].tolist()
    [2, 3, 4, 5]
  """
  return warp(checked(image), with_entry(3, factor))


def translate_x(image: jax.Array, pixels: float | jax.Array) -> jax.Array:
  """Reads `pixels` to the right:
  `image.transform(size, AFFINE, (1, 0, pixels, 0, 1, 0), BILINEAR)`.

  Examples:
    >>> image = np.repeat(np.arange(4, dtype=np.uint8).reshape(1, 4, 1), 3, axis=-1)
    >>> translate_x(image, 1)[0, :, 0].tolist()
    [1, 2, 3, 0]
  """
  return warp(checked(image), with_entry(2, pixels))


def translate_y(image: jax.Array, pixels: float | jax.Array) -> jax.Array:
  """Reads `pixels` below: `image.transform(size, AFFINE, (1, 0, 0, 0, 1, pixels), BILINEAR)`.

  Examples:
    >>> image = np.repeat(np.arange(4, dtype=np.uint8).reshape(4, 1, 1), 3, axis=-1)
    >>> translate_y(image, 1)[:, 0, 0].tolist()
    [1, 2, 3, 0]
  """
  return warp(checked(image), with_entry(5, pixels))


class Drawn(NamedTuple):
  """An operation as data; each `[...]`.

  Attributes:
    op: int32, its number.
    level: float32, as a share of the operation's largest.
    sign: float32, 1 or −1, of rotations, shears and translations.
  """

  op: jax.Array
  level: jax.Array
  sign: jax.Array


def draw_op(key: jax.Array, severity: float = 3) -> Drawn:
  """One of the nine operations, drawn uniformly, and a random level.

  The level is u ~ U(0.1, severity) tenths of the operation's largest: 30 degrees, a shear of 0.3, a
  third of the side, 4 bits, 256 levels of threshold; degrees, pixels, bits and thresholds are
  truncated to integers; rotations, shears and translations get a fair sign.

  Args:
    key: PRNG key.
    severity: upper end of the level, above 0.1 and at most 10.

  Examples:
    >>> drawn = draw_op(jax.random.key(0))
    >>> bool(0 <= drawn.op < NUM_OPS and 0.01 <= drawn.level < 0.3)
    True
  """
  op_key, level_key, sign_key = jax.random.split(key, 3)
  return Drawn(
    jax.random.randint(op_key, (), 0, NUM_OPS),
    jax.random.uniform(level_key, minval=0.1, maxval=severity) / 10,
    jnp.where(jax.random.bernoulli(sign_key), 1.0, -1.0),
  )


def random_op(
  key: jax.Array, image: jax.Array, severity: float = 3, form: str | None = None
) -> jax.Array:
  """Applies one of the nine operations at a random level, both as `draw_op` draws them.

  Args:
    key: PRNG key.
    image: uint8 `[H, W, 3]`.
    severity: upper end of the level, above 0.1 and at most 10.
    form: as in `forms.by_platform`.

  Returns:
    uint8 `[H, W, 3]`.

  Examples:
    >>> random_op(jax.random.key(0), np.full((8, 8, 3), 100, np.uint8)).shape
    (8, 8, 3)
  """
  return apply_op(image, draw_op(key, severity), severity, form)


def apply_op(
  image: jax.Array, drawn: Drawn, severity: float = 3, form: str | None = None
) -> jax.Array:
  """The operation on uint8 `[H, W, 3]`; arguments and result as of `random_op`.

  Examples:
    >>> image = np.full((8, 8, 3), 100, np.uint8)
    >>> solarized = Drawn(jnp.int32(3), jnp.float32(0.7), jnp.float32(1))  # from 256 − 179 on
    >>> apply_op(image, solarized, severity=10)[0, 0].tolist()
    [155, 155, 155]
  """
  height, width, _ = checked(image).shape
  op, level, sign = drawn
  matrix = select(
    op - _FIRST_WARP,
    [
      rotation(sign * jnp.trunc(level * 30), height, width),
      with_entry(1, sign * level * 0.3),
      with_entry(3, sign * level * 0.3),
      with_entry(2, sign * jnp.trunc(level * (width / 3))),
      with_entry(5, sign * jnp.trunc(level * (height / 3))),
      IDENTITY,
    ],
  )

  counts = tables.histogram(image, form)
  table = tables.choose(
    jnp.minimum(op, _FIRST_WARP),
    [
      tables.autocontrast(counts, form),
      tables.equalize(counts, form),
      tables.posterize(4 - (level * 4).astype(jnp.int32)),
      tables.solarize(256 - (level * 256).astype(jnp.int32)),
      tables.identity(),
    ],
    form,
  )
  largest = severity / 10
  reach = shifts.Reach.of(height, width, 30 * largest, 0.3 * largest, largest / 3)
  return warp(tables.apply(image, table, form), matrix, reach, form)


def checked(image: jax.Array) -> jax.Array:
  """Refuses anything but a uint8 `[H, W, 3]` image."""
  if image.dtype != jnp.uint8 or image.ndim != 3 or image.shape[-1] != 3:
    raise ValueError(f"image must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
  return image

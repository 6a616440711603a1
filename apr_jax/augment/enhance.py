"""Color, contrast, brightness and sharpness: AutoAugment's operations that overlap with the
corruption benchmarks.

Each is a blend of the image with one that lacks the property, as data: which one, and a factor.
Factor 0 gives the poor image, 1 the image itself, more than 1 exaggerates. Images are uint8
`[H, W, 3]`; the functions agree with the calls of Pillow's `ImageEnhance` named in them.
"""

import jax
import jax.numpy as jnp

from apr_jax.augment.ops import checked


def color(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Saturation, against the grey image: `ImageEnhance.Color(image).enhance(factor)`."""
  return blend(without_color(checked(image)), image, factor)


def contrast(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Against the mean grey: `ImageEnhance.Contrast(image).enhance(factor)`."""
  return blend(without_contrast(checked(image)), image, factor)


def brightness(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Against black: `ImageEnhance.Brightness(image).enhance(factor)`."""
  return blend(jnp.zeros_like(checked(image)), image, factor)


def sharpness(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Against the smoothed image: `ImageEnhance.Sharpness(image).enhance(factor)`."""
  return blend(without_sharpness(checked(image)), image, factor)


def without_color(image: jax.Array) -> jax.Array:
  """The luma (ITU-R 601, in Pillow's 16-bit fixed point) in all channels; uint8 of the same
  shape.
  """
  red, green, blue = jnp.moveaxis(image.astype(jnp.int32), -1, 0)
  luma = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
  return jnp.broadcast_to(luma[..., None], image.shape).astype(jnp.uint8)


def without_contrast(image: jax.Array) -> jax.Array:
  """The mean luma, rounded, everywhere; uint8 of the same shape."""
  luma = without_color(image)[..., 0].astype(jnp.int32)
  return jnp.full(image.shape, (2 * luma.sum() + luma.size) // (2 * luma.size)).astype(jnp.uint8)


def without_sharpness(image: jax.Array) -> jax.Array:
  """The mean over 3×3 pixels, the centre counting five times; the outermost pixels stay. uint8,
  same shape.
  """
  height, width, _ = image.shape
  values = image.astype(jnp.int32)
  rows = values[: height - 2] + values[1:-1] + values[2:]
  total = rows[:, : width - 2] + rows[:, 1:-1] + rows[:, 2:] + 4 * values[1:-1, 1:-1]
  return jnp.asarray(image).at[1:-1, 1:-1].set(((2 * total + 13) // 26).astype(jnp.uint8))


def blend(poor: jax.Array, image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """poor + factor · (image − poor), clipped to 0..255 and truncated: `Image.blend`; uint8 of the
  same shape.
  """
  poor, image = poor.astype(jnp.float32), image.astype(jnp.float32)
  return jnp.clip(poor + factor * (image - poor), 0, 255).astype(jnp.uint8)

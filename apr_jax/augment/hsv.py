"""Hue, saturation and value of images, float `[..., 3]` in [0, 1], as in Python's `colorsys`."""

import jax
import jax.numpy as jnp


def from_rgb(image: jax.Array) -> jax.Array:
  """Red, green, blue → hue as a part of the turn, saturation, value. Grey has hue 0, black
  saturation 0.
  """
  red, green, blue = jnp.moveaxis(image, -1, 0)
  value = image.max(-1)
  chroma = value - image.min(-1)
  safe = jnp.where(chroma > 0, chroma, 1)
  # Which channel is the largest is not asked of `value`: XLA may compute a channel twice, once for
  # it, and the two may differ in the last bit.
  sixths = jnp.where(
    (red >= green) & (red >= blue),
    (green - blue) / safe,
    jnp.where(green >= blue, 2 + (blue - red) / safe, 4 + (red - green) / safe),
  )
  return jnp.stack([jnp.mod(sixths / 6, 1), chroma / jnp.where(value > 0, value, 1), value], -1)


def to_rgb(image: jax.Array) -> jax.Array:
  """Hue, saturation, value → red, green, blue."""
  hue, saturation, value = jnp.moveaxis(image[..., None], -2, 0)
  # How far each channel is from the value is a trapezoid of the hue, a third of a turn from channel
  # to channel.
  place = jnp.mod(jnp.array([5.0, 3.0, 1.0]) + 6 * hue, 6)
  return value - value * saturation * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)

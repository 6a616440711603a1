"""Random crop with constant padding, and random horizontal flip.

Images are uint8 `[B, H, W, C]`, or floats in the same levels.
"""

import jax
import jax.numpy as jnp

from apr_jax import forms, keys
from apr_jax.augment import shifts, words


def random_crop(
  key: jax.Array,
  images: jax.Array,
  padding: int = 4,
  fill: int = 128,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Pads every side and cuts a window of the original size at a uniformly drawn place.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, C]`.
    padding: pixels added on each side.
    fill: value of the added pixels, 0 to 255; the released code pads with 128.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, C]`.

  Examples:
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> crops = random_crop(jax.random.key(0), images, padding=2, fill=0)
    >>> crops.shape, sorted(set(np.unique(crops).tolist()) - {0})
    ((2, 8, 8, 3), [100])
  """
  offsets = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, 2 * padding + 1))(
    keys.per_image(key, images, positions)
  )
  return jax.vmap(crop, in_axes=(0, 0, 0, None, None))(
    images, offsets[:, 0], offsets[:, 1], padding, fill
  )


def crop(
  image: jax.Array,
  top: jax.Array,
  left: jax.Array,
  padding: int,
  fill: int,
  form: str | None = None,
) -> jax.Array:
  """The window at (top, left) of the padded image; image `[H, W, C]`, offsets int `[]` in
  0..2·padding; `form` as in `forms.by_platform`.
  """

  def padded(image: jax.Array, fill: int) -> jax.Array:
    pads = [(padding, padding), (padding, padding), (0, 0)][: image.ndim]
    return jnp.pad(image, pads, constant_values=fill)

  def by_index(image: jax.Array, top: jax.Array, left: jax.Array) -> jax.Array:
    return jax.lax.dynamic_slice(padded(image, fill), (top, left, 0), image.shape)

  def by_selection(image: jax.Array, top: jax.Array, left: jax.Array) -> jax.Array:
    in_words = image.dtype == jnp.uint8 and image.shape[-1] == 3
    moved = padded(words.pack(image), words.grey(fill)) if in_words else padded(image, fill)
    for axis, start in enumerate((top, left)):
      moved = shifts.window(moved, start, image.shape[axis], axis, 2 * padding)
    return words.unpack(moved) if in_words else moved

  return forms.by_platform(by_index, by_selection, image, top, left, form=form)


def random_flip(
  key: jax.Array, images: jax.Array, *, positions: jax.Array | None = None
) -> jax.Array:
  """Mirrors each image left to right with probability ½; arguments as in `random_crop`.

  Examples:
    >>> images = np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1)
    >>> random_flip(jax.random.key(0), images)[0, 0, :, 0].tolist() in ([0, 1, 2, 3], [3, 2, 1, 0])
    True
  """
  mirrored = jax.vmap(jax.random.bernoulli)(keys.per_image(key, images, positions))
  return jnp.where(mirrored.reshape(-1, 1, 1, 1), images[:, :, ::-1], images)

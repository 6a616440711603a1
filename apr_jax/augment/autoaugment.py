"""AutoAugment's policy for CIFAR-10: per image one of 25 pairs of operations with probabilities and magnitudes.

As in `ops`, an operation is data, here a table, a warp and a blend of which at most one does something: no branch
per image. The released operations read the nearest pixel when they rotate and shear; here, as in APR's and AugMix's
operations, they interpolate. Signs of rotations, shears and translations are fair coins.

Reference: Cubuk et al., AutoAugment, CVPR 2019 (https://arxiv.org/abs/1805.09501), Table 7, and the released code.
"""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.augment import enhance, keys, tables
from apr_jax.augment.warp import IDENTITY, rotation, warp, with_entry

# Lookups, then warps, then blends.
OPS = ("autocontrast", "equalize", "posterize", "solarize", "invert", "rotate", "shear_y", "translate_x",
       "translate_y", "color", "contrast", "brightness", "sharpness", "identity")
_FIRST_WARP, _FIRST_BLEND, _IDENTITY = OPS.index("rotate"), OPS.index("color"), OPS.index("identity")

# (operation, probability, magnitude 0..9), twice. Invert, autocontrast and equalize do not read the magnitude.
POLICY = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)
_OP = np.array([[OPS.index(name) for name, _, _ in pair] for pair in POLICY], np.int32)
_PROBABILITY = np.array([[probability for _, probability, _ in pair] for pair in POLICY], np.float32)
_MAGNITUDE = np.array([[magnitude for _, _, magnitude in pair] for pair in POLICY], np.int32)


def autoaugment(key: jax.Array, images: jax.Array, *, positions: jax.Array | None = None) -> jax.Array:
  """Applies a uniformly drawn pair of the policy to each image.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.
  """
  return jax.vmap(_augment)(keys.per_image(key, images, positions), images)


def apply(image: jax.Array, op: jax.Array, magnitude: jax.Array, sign: jax.Array) -> jax.Array:
  """One operation at one magnitude.

  Args:
    image: uint8 `[H, W, 3]`.
    op: int `[]`, place in `OPS`.
    magnitude: int `[]`, 0..9: up to 30 degrees, shear 0.3, 10 pixels, 4 bits, 256 levels, factors 0.1 to 1.9.
    sign: 1.0 or −1.0, of the warps.

  Returns:
    uint8 `[H, W, 3]`.
  """
  height, width, _ = image.shape
  counts = tables.histogram(image)
  table = tables.choose(jnp.minimum(op, _FIRST_WARP), [
      tables.autocontrast(counts),
      tables.equalize(counts),
      tables.posterize(4 - magnitude * 4 // 10),
      tables.solarize(256 - magnitude * 256 // 10),
      tables.invert(),
      tables.identity(),
  ])
  matrix = jnp.stack([
      jnp.asarray(IDENTITY),
      rotation(sign * (magnitude * 30 // 10), height, width),
      with_entry(3, sign * magnitude * 0.03),
      with_entry(2, sign * magnitude),
      with_entry(5, sign * magnitude),
  ])[jnp.where((op >= _FIRST_WARP) & (op < _FIRST_BLEND), op - _FIRST_WARP + 1, 0)]
  image = warp(tables.apply(image, table), matrix)
  poor = jnp.stack([
      image,
      enhance.without_color(image),
      enhance.without_contrast(image),
      jnp.zeros_like(image),
      enhance.without_sharpness(image),
  ])[jnp.where((op >= _FIRST_BLEND) & (op < _IDENTITY), op - _FIRST_BLEND + 1, 0)]
  return enhance.blend(poor, image, magnitude * 0.18 + 0.1)


def _augment(key: jax.Array, image: jax.Array) -> jax.Array:
  pair_key, *slot_keys = jax.random.split(key, 3)
  pair = jax.random.randint(pair_key, (), 0, len(POLICY))

  # One compiled operation serves both places of the pair.
  def one(image, slot):
    key, op, probability, magnitude = slot
    coin_key, sign_key = jax.random.split(key)
    op = jnp.where(jax.random.bernoulli(coin_key, probability), op, _IDENTITY)
    return apply(image, op, magnitude, jnp.where(jax.random.bernoulli(sign_key), 1.0, -1.0)), None

  slots = (jnp.asarray(values)[pair] for values in (_OP, _PROBABILITY, _MAGNITUDE))
  return jax.lax.scan(one, image, (jnp.stack(slot_keys), *slots))[0]

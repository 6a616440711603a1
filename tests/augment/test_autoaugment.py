"""AutoAugment's operations and policy against Pillow, on the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from apr_jax.augment import autoaugment


def affine(image, *matrix):
  return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def enhanced(kind):
  return lambda image, magnitude, sign: kind(image).enhance(magnitude * 1.8 / 10 + 0.1)


# The released code's levels, from a magnitude in 0..9.
PILLOW = {
    "autocontrast": lambda image, m, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, m, sign: ImageOps.equalize(image),
    "posterize": lambda image, m, sign: ImageOps.posterize(image, 4 - int(m * 4 / 10)),
    "solarize": lambda image, m, sign: ImageOps.solarize(image, 256 - int(m * 256 / 10)),
    "invert": lambda image, m, sign: ImageOps.invert(image),
    "rotate": lambda image, m, sign: image.rotate(sign * int(m * 30 / 10), Image.Resampling.BILINEAR),
    "shear_y": lambda image, m, sign: affine(image, 1, 0, 0, sign * m * 0.3 / 10, 1, 0),
    "translate_x": lambda image, m, sign: affine(image, 1, 0, sign * m, 0, 1, 0),
    "translate_y": lambda image, m, sign: affine(image, 1, 0, 0, 0, 1, sign * m),
    "color": enhanced(ImageEnhance.Color), "contrast": enhanced(ImageEnhance.Contrast),
    "brightness": enhanced(ImageEnhance.Brightness), "sharpness": enhanced(ImageEnhance.Sharpness),
    "identity": lambda image, m, sign: image,
}
apply = jax.jit(jax.vmap(autoaugment.apply, in_axes=(0, None, None, None)))
augment = jax.jit(autoaugment.autoaugment)


def agree(ours, theirs):
  difference = np.abs(np.asarray(ours, int) - np.asarray(theirs, int))
  return (difference <= 1).mean() >= 0.998


@pytest.mark.parametrize("name", autoaugment.OPS)
def test_operation_equals_pillow(name, photographs):
  images = photographs[:4]
  for magnitude, sign in ((0, 1), (3, -1), (7, 1), (9, -1)):
    result = apply(images, autoaugment.OPS.index(name), magnitude, float(sign))
    assert result.dtype == jnp.uint8
    expected = [np.asarray(PILLOW[name](Image.fromarray(image), magnitude, sign)) for image in images]
    assert agree(result, expected), (magnitude, sign)


def test_policy_image_by_image(photographs):
  key, images = jax.random.key(0), np.concatenate([photographs, photographs[::-1]])
  result = augment(key, images)
  assert result.dtype == jnp.uint8 and result.shape == images.shape
  pairs, changed = set(), 0
  for i, image in enumerate(images):
    pair_key, *slot_keys = jax.random.split(jax.random.fold_in(key, i), 3)
    pair = int(jax.random.randint(pair_key, (), 0, 25))
    pairs.add(pair)
    expected = Image.fromarray(image)
    for slot_key, (name, probability, magnitude) in zip(slot_keys, autoaugment.POLICY[pair]):
      coin_key, sign_key = jax.random.split(slot_key)
      if jax.random.bernoulli(coin_key, probability):
        sign = 1 if jax.random.bernoulli(sign_key) else -1
        expected = PILLOW[name](expected, magnitude, sign)
        changed += 1
    # A level's difference after the first operation can grow in the second.
    assert (np.abs(np.asarray(result[i], int) - np.asarray(expected, int)) <= 3).mean() > 0.99, (i, pair)
  assert len(pairs) > 12 and 20 < changed < 55


def test_depends_on_position_alone(photographs):
  key = jax.random.key(1)
  whole = augment(key, photographs)
  part = augment(key, photographs[4:9], positions=jnp.arange(4, 9))
  assert agree(part, whole[4:9])
  assert (augment(jax.random.key(2), photographs) != whole).any()


def test_the_policy_has_25_pairs_of_known_operations():
  assert len(autoaugment.POLICY) == 25
  for pair in autoaugment.POLICY:
    for name, probability, magnitude in pair:
      assert name in PILLOW and 0 <= probability <= 1 and magnitude in range(10)

"""AutoAugment's operations and policies, found and random, against Pillow, on the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from apr_jax.augment import autoaugment
from apr_jax.augment.policies import OVERLAPPING, POLICIES
from apr_jax.errors import UserError


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
  "shear_x": lambda image, m, sign: affine(image, 1, sign * m * 0.3 / 10, 0, 0, 1, 0),
  "shear_y": lambda image, m, sign: affine(image, 1, 0, 0, sign * m * 0.3 / 10, 1, 0),
  "translate_x": lambda image, m, sign: affine(image, 1, 0, sign * m, 0, 1, 0),
  "translate_y": lambda image, m, sign: affine(image, 1, 0, 0, 0, 1, sign * m),
  "color": enhanced(ImageEnhance.Color),
  "contrast": enhanced(ImageEnhance.Contrast),
  "brightness": enhanced(ImageEnhance.Brightness),
  "sharpness": enhanced(ImageEnhance.Sharpness),
  "identity": lambda image, m, sign: image,
}
apply = jax.jit(jax.vmap(autoaugment.apply, in_axes=(0, None, None, None)))
augment = jax.jit(autoaugment.autoaugment, static_argnames="policy")


def agree(ours, theirs):
  difference = np.abs(np.asarray(ours, int) - np.asarray(theirs, int))
  return (difference <= 1).mean() >= 0.998


@pytest.mark.parametrize("name", autoaugment.OPS)
def test_operation_equals_pillow(name, photographs):
  images = photographs[:4]
  for magnitude, sign in ((0, 1), (3, -1), (7, 1), (9, -1)):
    result = apply(images, autoaugment.OPS.index(name), magnitude, float(sign))
    assert result.dtype == jnp.uint8
    expected = [
      np.asarray(PILLOW[name](Image.fromarray(image), magnitude, sign)) for image in images
    ]
    assert agree(result, expected), (magnitude, sign)


def in_pillow(image, slot_keys, pair):
  """The pair on one image, and how many of its operations were applied."""
  expected, applied = Image.fromarray(image), 0
  for slot_key, (name, probability, magnitude) in zip(slot_keys, pair):
    coin_key, sign_key = jax.random.split(slot_key)
    if jax.random.bernoulli(coin_key, probability):
      expected = PILLOW[name](expected, magnitude, 1 if jax.random.bernoulli(sign_key) else -1)
      applied += 1
  return np.asarray(expected, int), applied


def nearly(ours, theirs):
  # A level's difference after the first operation can grow in the second.
  return (np.abs(np.asarray(ours, int) - theirs) <= 3).mean() > 0.99


@pytest.mark.parametrize(
  "policy, least, most", [("cifar10", 20, 55), ("imagenet_disjoint", 15, 50)]
)
def test_policy_image_by_image(policy, least, most, photographs):
  key, images = jax.random.key(0), np.concatenate([photographs, photographs[::-1]])
  result = augment(key, images, policy)
  assert result.dtype == jnp.uint8 and result.shape == images.shape
  pairs, applied = set(), 0
  for i, image in enumerate(images):
    pair_key, *slot_keys = jax.random.split(jax.random.fold_in(key, i), 3)
    pair = int(jax.random.randint(pair_key, (), 0, 25))
    pairs.add(pair)
    expected, count = in_pillow(image, slot_keys, POLICIES[policy][pair])
    applied += count
    assert nearly(result[i], expected), (i, pair)
  assert len(pairs) > 12 and least < applied < most


def test_random_policies_image_by_image(photographs):
  key, images = jax.random.key(1), np.concatenate([photographs, photographs[::-1]])
  result = jax.jit(autoaugment.random_autoaugment)(key, images)
  assert result.dtype == jnp.uint8 and result.shape == images.shape
  names, applied = set(), 0
  for i, image in enumerate(images):
    _, op_key, probability_key, magnitude_key, *slot_keys = jax.random.split(
      jax.random.fold_in(key, i), 6
    )
    draws = (
      jax.random.randint(op_key, (2,), 0, 10),
      jax.random.uniform(probability_key, (2,)),
      jax.random.randint(magnitude_key, (2,), 0, 10),
    )
    pair = [
      (autoaugment.OPS[int(op)], float(probability), int(magnitude))
      for op, probability, magnitude in zip(*draws)
    ]
    names |= {name for name, _, _ in pair}
    expected, count = in_pillow(image, slot_keys, pair)
    applied += count
    assert nearly(result[i], expected), (i, pair)
  assert names == set(autoaugment.OPS) - {"identity", *OVERLAPPING}
  assert 20 < applied < 44  # of 64; a uniform probability is a fair coin


def test_random_policies_with_a_probability(photographs):
  key = jax.random.key(2)
  random_autoaugment = jax.jit(autoaugment.random_autoaugment)
  always, often, never = (
    np.asarray(random_autoaugment(key, photographs, prob=prob)) for prob in (1.0, 0.5, 0.0)
  )
  np.testing.assert_array_equal(never, photographs)
  left_alone = (often == photographs).all((1, 2, 3))
  np.testing.assert_array_equal(often[~left_alone], always[~left_alone])
  assert left_alone.sum() > (always == photographs).all((1, 2, 3)).sum()


def test_translations_grow_with_the_image(photograph):
  image = photograph[:64, :96]
  move = jax.jit(autoaugment.apply_disjoint)
  for name, matrix in (("translate_x", (1, 0, 27, 0, 1, 0)), ("translate_y", (1, 0, 0, 0, 1, 18))):
    moved = move(image, autoaugment.OPS.index(name), 9, 1.0)
    assert agree(moved, affine(Image.fromarray(image), *matrix))


def test_depends_on_position_alone(photographs):
  key = jax.random.key(1)
  whole = augment(key, photographs)
  part = augment(key, photographs[4:9], positions=jnp.arange(4, 9))
  assert agree(part, whole[4:9])
  assert (augment(jax.random.key(2), photographs) != whole).any()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_has_25_pairs_of_known_operations(policy):
  assert len(POLICIES[policy]) == 25
  for pair in POLICIES[policy]:
    for name, probability, magnitude in pair:
      assert name in autoaugment.OPS and 0 <= probability <= 1 and magnitude in range(10)


@pytest.mark.parametrize("policy, left_out", [("cifar10", 16), ("imagenet", 9)])
def test_the_disjoint_policies_leave_out_what_overlaps_and_nothing_else(policy, left_out):
  slots = [
    (slot, other)
    for pair, others in zip(POLICIES[policy], POLICIES[f"{policy}_disjoint"])
    for slot, other in zip(pair, others)
  ]
  changed = [(slot, other) for slot, other in slots if slot != other]
  assert {slot[0] for slot, _ in changed} == {slot[0] for slot, _ in slots} & set(OVERLAPPING)
  assert all(other == ("identity", 0.0, 0) for _, other in changed) and len(changed) == left_out


def test_an_unknown_policy_lists_the_known_ones(photographs):
  with pytest.raises(
    UserError, match="unknown AutoAugment policy 'svhn'.*cifar10, cifar10_disjoint, imagenet"
  ):
    autoaugment.autoaugment(jax.random.key(0), photographs, "svhn")

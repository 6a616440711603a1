"""APR-P and APR-S against the paper's equations in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import augment
from apr_jax.augment import apr, ops


def recombine_float64(amplitude_of, phase_of, axes=(-3, -2, -1)):
  first, second = (
    np.fft.fftn(np.asarray(x, np.float64), axes=axes) for x in (amplitude_of, phase_of)
  )
  return np.fft.ifftn(np.abs(first) * np.exp(1j * np.angle(second)), axes=axes).real


@pytest.fixture(scope="module")
def images(photographs):
  """Without the images of which a bin cancels to rounding error: its phase is noise in any
  precision.
  """
  images = photographs / np.float32(255)
  images = images[np.abs(np.fft.fft2(images, axes=(1, 2))).min(axis=(1, 2, 3)) > 1e-3]
  assert len(images) >= 8
  return images[: len(images) // 2 * 2]


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2)])
def test_swap_amplitudes_is_equation_5(images, axes):
  permutation = np.random.default_rng(0).permutation(len(images))
  result = jax.jit(apr.swap_amplitudes, static_argnums=3)(images, permutation, np.array(True), axes)
  np.testing.assert_allclose(
    result, recombine_float64(images[permutation], images, axes), atol=1e-4
  )
  chosen = np.arange(len(images)) % 3 == 0
  result = apr.swap_amplitudes(images, permutation, chosen, axes)
  np.testing.assert_array_equal(result[~chosen], images[~chosen])
  np.testing.assert_allclose(
    result[chosen], recombine_float64(images[permutation], images, axes)[chosen], atol=1e-4
  )


def test_apr_p_certain_gives_each_image_another_amplitude_of_the_batch(images):
  result = np.asarray(apr_jax.apr_p(jax.random.key(0), images, 1.0))
  assert result.dtype == np.float32

  def amplitude(x):
    return np.abs(np.fft.fftn(x, axes=(1, 2, 3)))

  distance = np.abs(amplitude(result)[:, None] - amplitude(images)[None]).max(axis=(2, 3, 4))
  partners = distance.argmin(axis=1)
  assert sorted(partners) == list(range(len(images)))
  assert (partners != np.arange(len(images))).sum() >= len(images) // 2
  np.testing.assert_allclose(result, recombine_float64(images[partners], images), atol=1e-4)


def test_apr_p_never_is_the_identity(images):
  for seed in range(5):
    np.testing.assert_array_equal(apr_jax.apr_p(jax.random.key(seed), images, 0.0), images)


def test_apr_p_throws_one_coin_per_batch_or_one_per_image(images):
  keys = jax.random.split(jax.random.key(0), 400)
  images = images[:4]

  def untouched(per_image):
    results = jax.vmap(lambda key: apr_jax.apr_p(key, images, 0.6, per_image=per_image))(keys)
    return np.asarray((results == images).all(axis=(2, 3, 4)))

  batches = untouched(per_image=False)
  # the whole batch, up to the rounding of a fixed point's transform
  assert set(batches.sum(axis=1)) == {0, 4}
  assert abs(batches.all(axis=1).mean() - 0.4) < 3 * np.sqrt(0.24 / 400)
  single = untouched(per_image=True)
  assert {1, 2, 3} <= set(single.sum(axis=1))
  assert abs(single.mean() - 0.4) < 3 * np.sqrt(0.24 / 1600)


@pytest.mark.parametrize("pair", [apr_jax.apr_p, augment.ha_p])
def test_on_devices_coins_go_by_position_and_partners_stay_on_the_device(images, pair):
  key, images = jax.random.key(1), images[:8]

  def touched(devices, per_image):
    size = len(images) // devices
    shares = [
      pair(
        key,
        images[first : first + size],
        0.5,
        per_image=per_image,
        positions=jnp.arange(first, first + size),
        shard=first // size,
      )
      for first in range(0, len(images), size)
    ]
    return (np.concatenate(shares) != images).any(axis=(1, 2, 3)).tolist()

  for per_image in (False, True):
    alone = touched(1, per_image)
    assert touched(2, per_image) == touched(4, per_image) == alone
    assert (len(set(alone)) == 2) == per_image
  # The same images on another device have other partners.
  first, second = (np.asarray(pair(key, images, 1.0, shard=shard)) for shard in (0, 1))
  assert (first != second).any(axis=(1, 2, 3)).sum() >= 4
  np.testing.assert_array_equal(first, pair(key, images, 1.0, positions=jnp.arange(8)))


@pytest.mark.parametrize("overflow", ["clip", "wrap"])
@pytest.mark.parametrize(
  "values, clipped, wrapped",
  [
    (
      [-300.2, -1.0, -0.7, 0.4, 0.6, 99.5, 254.6, 255.9, 256.0, 300.4],
      [0, 0, 0, 0, 1, 100, 255, 255, 255, 255],
      [212, 255, 0, 0, 0, 99, 254, 255, 0, 44],
    )
  ],
)
def test_to_uint8(overflow, values, clipped, wrapped):
  result = apr.to_uint8(jnp.array(values), overflow)
  assert result.dtype == jnp.uint8
  np.testing.assert_array_equal(result, clipped if overflow == "clip" else wrapped)


def expected_apr_s(key, image, severity, overflow, axes):
  """Equation 6 step by step in NumPy, on operations drawn with the same keys."""
  _, first_key, stop_key, second_key, reverse_key = jax.random.split(key, 5)
  random_op = jax.jit(ops.random_op, static_argnums=2)
  first = np.asarray(random_op(first_key, image, severity))
  if jax.random.bernoulli(stop_key):
    return first, "one view"
  second = np.asarray(random_op(second_key, first, severity))
  pair = (second, first) if jax.random.bernoulli(reverse_key) else (first, second)
  value = recombine_float64(*pair, axes)
  result = (
    np.clip(np.rint(value), 0, 255) if overflow == "clip" else np.trunc(value).astype(int) % 256
  )
  return result.astype(np.uint8), "reversed" if pair[0] is second else "forward"


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2)])
@pytest.mark.parametrize("overflow", ["clip", "wrap"])
def test_apr_s_is_equation_6(photographs, overflow, axes):
  key = jax.random.key(3)
  result = jax.jit(lambda key, images: apr_jax.apr_s(key, images, 3, overflow, axes))(
    key, photographs
  )
  assert result.dtype == jnp.uint8
  kinds = set()
  for i, image in enumerate(photographs):
    expected, kind = expected_apr_s(jax.random.fold_in(key, i), image, 3, overflow, axes)
    kinds.add(kind)
    # On the circle of 256 values: where the exact value is an integer, rounding decides the
    # truncation.
    difference = (np.asarray(result[i], int) - expected + 128) % 256 - 128
    assert (np.abs(difference) <= 1).mean() > 0.999, kind
  assert kinds == {"one view", "forward", "reversed"}


def test_apr_s_depends_on_key_and_position_alone(photographs):
  key = jax.random.key(0)
  whole = apr_jax.apr_s(key, photographs)
  part = apr_jax.apr_s(key, photographs[4:9], positions=jnp.arange(4, 9))
  np.testing.assert_array_equal(whole[4:9], part)
  assert (apr_jax.apr_s(jax.random.key(1), photographs) != whole).any()


def test_apr_s_probability(photographs):
  key = jax.random.key(0)
  np.testing.assert_array_equal(apr_jax.apr_s(key, photographs, prob=0.0), photographs)
  images = np.tile(photographs[:1], (300, 1, 1, 1))
  touched = (np.asarray(apr_jax.apr_s(key, images, prob=0.5)) != images).any(axis=(1, 2, 3)).mean()
  always = (np.asarray(apr_jax.apr_s(key, images)) != images).any(axis=(1, 2, 3)).mean()
  assert always > 0.9  # an operation at level 0 leaves the image alone
  assert abs(touched - always / 2) < 0.1


def test_both_work_under_vmap_and_without_flax(images, photographs):
  keys = jax.random.split(jax.random.key(0), 2)
  batches, bytes_ = images.reshape(2, -1, 32, 32, 3), photographs.reshape(2, 8, 32, 32, 3)
  mixed = jax.jit(jax.vmap(apr_jax.apr_p))(keys, batches)
  np.testing.assert_allclose(mixed[1], apr_jax.apr_p(keys[1], batches[1]), atol=1e-6)
  single = jax.jit(jax.vmap(apr_jax.apr_s))(keys, bytes_)
  np.testing.assert_allclose(
    np.asarray(single[1], int), np.asarray(apr_jax.apr_s(keys[1], bytes_[1]), int), atol=1
  )


@pytest.mark.parametrize(
  "call, message",
  [
    (lambda key: apr_jax.apr_p(key, np.zeros((2, 8, 8, 3), np.uint8)), "images must be float"),
    (lambda key: apr_jax.apr_p(key, np.zeros((8, 8, 3), np.float32)), r"got float32 \[8, 8, 3\]"),
    (lambda key: apr_jax.apr_s(key, np.zeros((2, 8, 8, 3), np.float32)), "images must be uint8"),
    (
      lambda key: apr_jax.apr_s(key, np.zeros((2, 8, 8, 3), np.uint8), overflow="crop"),
      "clip, wrap, got 'crop'",
    ),
    (
      lambda key: apr_jax.apr_s(key, np.zeros((2, 8, 8, 3), np.uint8), severity=30),
      "at most 10, got 30",
    ),
  ],
)
def test_wrong_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call(jax.random.key(0))


def test_crop_and_flip_against_numpy(photographs):
  crops = np.asarray(augment.random_crop(jax.random.key(0), photographs, 4, 128))
  padded = np.pad(photographs, ((0, 0), (4, 4), (4, 4), (0, 0)), constant_values=128)
  offsets = set()
  for crop, image in zip(crops, padded):
    found = [
      (y, x) for y in range(9) for x in range(9) if (image[y : y + 32, x : x + 32] == crop).all()
    ]
    assert len(found) == 1
    offsets.add(found[0])
  assert len(offsets) > 8
  flips = np.asarray(augment.random_flip(jax.random.key(0), photographs))
  mirrored = (flips == photographs[:, :, ::-1]).all(axis=(1, 2, 3))
  assert (mirrored | (flips == photographs).all(axis=(1, 2, 3))).all() and 0 < mirrored.sum() < len(
    flips
  )


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2)])
def test_the_products_of_a_tpu_recombine_as_the_transforms_do(images, axes):
  permutation = np.random.default_rng(0).permutation(len(images))
  result = apr.swap_amplitudes(images, permutation, np.array(True), axes, "product")
  np.testing.assert_allclose(
    result, recombine_float64(images[permutation], images, axes), atol=1e-4
  )


def test_apr_s_is_the_same_in_the_form_of_a_tpu(photographs):
  images = photographs[:, :16, :16]
  keys = jax.random.split(jax.random.key(3), len(images))
  by_index, by_products = (
    np.asarray(
      jax.jit(
        lambda keys, form=form: apr.recombine_views(
          keys, images, 3, "wrap", (-3, -2, -1), 1.0, form
        )
      )(keys),
      np.int32,
    )
    for form in ("index", "product")
  )
  # On the circle of 256 values, as above: the operations are equal, the transforms round.
  difference = np.abs((by_index - by_products + 128) % 256 - 128)
  assert (difference <= 1).all() and (difference == 0).mean() > 0.99


@pytest.mark.parametrize(
  "size, padding, dtype", [((8, 7), 4, np.uint8), ((7, 9), 1, np.uint8), ((5, 4), 3, np.float32)]
)
def test_a_crop_by_selections_is_the_slice(size, padding, dtype):
  image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(dtype)
  padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), constant_values=7)
  crop = jax.jit(lambda top, left: augment.crop_flip.crop(image, top, left, padding, 7, "product"))
  for top in range(2 * padding + 1):
    for left in range(2 * padding + 1):
      window = padded[top : top + size[0], left : left + size[1]]
      np.testing.assert_array_equal(crop(top, left), window)

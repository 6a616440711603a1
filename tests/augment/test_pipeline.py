"""From uint8 batches to views: what is off changes nothing, and devices do not matter."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.augment import crop_flip
from apr_jax.augment.pipeline import make_augmentation
from configs import base

SIZE, BATCH, CLASSES = 8, 16, 5
IMAGES = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)


def settings(*, padding=0, fill=128, flip=False, apr_p=0.0, per_image=False, apr_s=0.0, **rivals):
  changed = base.get_config().augment
  changed.update_from_flattened_dict(
    {
      "crop_padding": padding,
      "crop_fill": fill,
      "flip": flip,
      "apr_p.prob": apr_p,
      "apr_p.per_image": per_image,
      "apr_s.prob": apr_s,
    }
    | rivals
  )
  return changed


@functools.cache
def compiled(**keywords):
  return jax.jit(make_augmentation(settings(**keywords), CLASSES))


def augmenter(devices=1, **keywords):
  """seed, images → views `[V, B, H, W, 3]` of the whole batch, made in `devices` shares and joined
  again.
  """
  augment = compiled(**keywords)

  def whole(seed, images=IMAGES):
    size = len(images) // devices
    labels, places = jnp.zeros(size, jnp.int32), jnp.arange(size)
    shares = [
      augment(
        jax.random.key(seed),
        images[shard * size : (shard + 1) * size],
        labels,
        shard * size + places,
        jnp.int32(shard),
      )[0]
      for shard in range(devices)
    ]
    return np.concatenate(shares, axis=1)

  return whole


def unequal(first, second):
  """Which images differ at all, bool `[B]`."""
  return (first != second).any(axis=(1, 2, 3))


def test_everything_off_is_x_over_255():
  views = augmenter()(0)
  assert views.shape == (1, *IMAGES.shape) and views.dtype == np.float32
  np.testing.assert_allclose(views[0], IMAGES.astype(np.float64) / 255, rtol=1e-6)
  assert views.max() == 1 and views.min() == 0


def test_a_uint8_image_keeps_its_256_levels():
  views = augmenter()(0)
  np.testing.assert_array_equal(np.rint(views[0] * 255).astype(np.uint8), IMAGES)


@pytest.mark.parametrize(
  "on, views",
  [
    ({}, 1),
    ({"apr_p.prob": 0.3}, 2),
    ({"hybrid_p.prob": 0.3}, 2),
    ({"mixup.alpha": 1.0}, 1),
    ({"augmix.width": 2}, 3),
    ({"augmix.width": 2, "augmix.single": True}, 1),
    ({"simclr.views": 2}, 2),
    ({"simclr.views": 4}, 4),
    ({"csi.views": 2}, 8),
  ],
)
def test_number_of_views(on, views):
  augment = make_augmentation(settings(**on), CLASSES)
  made, targets = jax.eval_shape(
    augment, jax.random.key(0), IMAGES, jnp.zeros(BATCH, jnp.int32), jnp.arange(BATCH), jnp.int32(0)
  )
  assert (made.shape, made.dtype) == ((views, *IMAGES.shape), jnp.float32)
  assert (targets.shape, targets.dtype) == ((BATCH, CLASSES), jnp.float32)


def test_crop_is_a_window_of_the_padded_image_and_reaches_every_place():
  padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=77)
  windows = {
    (top, left): padded[:, top : top + SIZE, left : left + SIZE]
    for top in range(3)
    for left in range(3)
  }
  augment = augmenter(padding=1, fill=77)
  seen = []
  for seed in range(6):
    cropped = np.rint(augment(seed)[0] * 255).astype(np.uint8)
    for i, image in enumerate(cropped):
      seen.append(next(place for place, window in windows.items() if (window[i] == image).all()))
  counts = [seen.count(place) for place in windows]
  # 96 draws from nine places.
  assert min(counts) >= 3 and max(counts) <= 22


def test_crop_core_by_hand():
  image = jnp.arange(1, 5, dtype=jnp.uint8).reshape(2, 2, 1)

  def cut(top, left):
    return crop_flip.crop(image, top, left, 1, 9)[..., 0].tolist()

  assert cut(1, 1) == [[1, 2], [3, 4]]
  assert cut(0, 0) == [[9, 9], [9, 1]]
  assert cut(2, 1) == [[3, 4], [9, 9]]
  assert cut(1, 2) == [[2, 9], [4, 9]]


def test_flip_mirrors_about_half_of_the_images_left_to_right():
  augment = augmenter(flip=True)
  mirrored = 0
  for seed in range(6):
    flipped = np.rint(augment(seed)[0] * 255).astype(np.uint8)
    is_mirrored = unequal(flipped, IMAGES)
    np.testing.assert_array_equal(flipped[is_mirrored], IMAGES[is_mirrored][:, :, ::-1])
    mirrored += is_mirrored.sum()
  assert 30 <= mirrored <= 66  # of 96: three standard deviations and a half about 48


@pytest.fixture(scope="module")
def everything_but_apr_p():
  return augmenter(padding=2, flip=True, apr_s=0.7)


def test_shares_of_devices_are_the_batch_of_one(everything_but_apr_p):
  np.testing.assert_array_equal(
    augmenter(4, padding=2, flip=True, apr_s=0.7)(3), everything_but_apr_p(3)
  )
  np.testing.assert_array_equal(
    augmenter(2, padding=2, flip=True)(3), augmenter(1, padding=2, flip=True)(3)
  )


def test_augmentation_depends_on_key_and_position(everything_but_apr_p):
  augment = everything_but_apr_p
  same = np.repeat(IMAGES[:1], BATCH, axis=0)
  result = augment(0, same)[0]
  different = {image.tobytes() for image in result}
  assert len(different) >= BATCH - 2  # positions draw apart
  np.testing.assert_array_equal(result, augment(0, same)[0])
  assert unequal(result, augment(1, same)[0]).mean() > 0.7  # so do keys
  # Another image at some place leaves those at the other places alone.
  changed = same.copy()
  changed[5] = IMAGES[5]
  assert set(np.flatnonzero(unequal(augment(0, changed)[0], result))) == {5}


def test_apr_s_does_not_change_the_draws_of_crop_and_flip(everything_but_apr_p):
  # APR-S leaves 30 % of the images alone; those are cut and mirrored as without it.
  without = augmenter(padding=2, flip=True)
  alike = sum(
    (~unequal(without(seed)[0], everything_but_apr_p(seed)[0])).sum() for seed in range(3)
  )
  assert 5 <= alike <= 28  # of 48


def test_the_coin_of_apr_p_is_one_for_all_devices():
  alone, shared = augmenter(1, apr_p=0.5), augmenter(2, apr_p=0.5)
  coins = []
  for seed in range(12):
    clean, mixed = shared(seed)
    halves = unequal(clean, mixed).reshape(2, -1).any(axis=1)
    assert halves[0] == halves[1]
    assert unequal(*alone(seed)).any() == halves[0]
    coins.append(bool(halves[0]))
  assert 1 <= sum(coins) <= 11


def test_coins_per_image_go_by_position():
  coins = {devices: augmenter(devices, apr_p=0.5, per_image=True) for devices in (1, 2, 4)}
  drawn = []
  for seed in range(4):
    # Where the coin fails the copy is exact; an image that is its own partner still changes in the
    # last bits.
    chosen = {devices: unequal(*augment(seed)) for devices, augment in coins.items()}
    np.testing.assert_array_equal(chosen[1], chosen[2])
    np.testing.assert_array_equal(chosen[1], chosen[4])
    drawn.append(chosen[1])
  assert 18 <= np.sum(drawn) <= 46  # of 64
  assert any(np.any(a != b) for a, b in itertools.pairwise(drawn))


def test_partners_of_apr_p_differ_between_devices():
  half = np.concatenate([IMAGES[:8], IMAGES[:8]])
  first, second = np.split(augmenter(2, apr_p=1.0)(0, half)[1], 2)
  assert unequal(first, second).sum() >= 4


def test_the_mixed_view_has_the_phase_of_the_clean_one_and_an_amplitude_of_its_share():
  clean, mixed = augmenter(2, apr_p=1.0, flip=True, padding=1)(1)
  clean_spectrum, mixed_spectrum = (
    np.fft.fftn(view.astype(np.float64), axes=(1, 2, 3)) for view in (clean, mixed)
  )
  strong = np.minimum(np.abs(clean_spectrum), np.abs(mixed_spectrum)) > 0.05
  assert strong.mean() > 0.9
  turn = np.angle(clean_spectrum[strong] * mixed_spectrum[strong].conj())
  assert np.abs(turn).max() < 1e-3
  distance = np.abs(np.abs(mixed_spectrum)[:, None] - np.abs(clean_spectrum)[None]).max(
    axis=(2, 3, 4)
  )
  partners = distance.argmin(axis=1)
  assert distance.min(axis=1).max() < 1e-3
  assert sorted(partners[:8]) == list(range(8)) and sorted(partners[8:]) == list(range(8, 16))


def test_apr_p_of_normalised_images_is_that_of_numpy():
  mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
  augment = jax.jit(
    make_augmentation(settings(apr_p=1.0, **{"apr_p.normalised": True}), CLASSES, mean, std)
  )
  views, _ = augment(
    jax.random.key(1), IMAGES, jnp.zeros(BATCH, jnp.int32), jnp.arange(BATCH), jnp.int32(0)
  )
  clean, mixed = np.asarray(views, np.float64)
  np.testing.assert_allclose(clean, IMAGES / 255, rtol=1e-6)
  spectrum = np.fft.fftn((IMAGES / 255 - mean) / std, axes=(1, 2, 3))
  # What the network sees once its first layer has normalised the view, for every partner there may
  # be.
  seen = (mixed - mean) / std
  candidates = np.real(
    np.fft.ifftn(np.abs(spectrum)[None] * np.exp(1j * np.angle(spectrum))[:, None], axes=(2, 3, 4))
  )
  distance = np.abs(seen[:, None] - candidates).max(axis=(2, 3, 4))
  assert sorted(distance.argmin(axis=1)) == list(range(BATCH)) and distance.min(axis=1).max() < 1e-3
  plain = jax.jit(make_augmentation(settings(apr_p=1.0), CLASSES, mean, std))(
    jax.random.key(1), IMAGES, jnp.zeros(BATCH, jnp.int32), jnp.arange(BATCH), jnp.int32(0)
  )[0][1]
  assert np.abs(plain - mixed).max() > 0.01


def test_apr_p_of_normalised_images_leaves_a_batch_alone_where_the_coin_fails():
  augment = make_augmentation(
    settings(apr_p=1e-9, **{"apr_p.normalised": True}), CLASSES, (0.4,) * 3, (0.2,) * 3
  )
  clean, view = jax.jit(augment)(
    jax.random.key(1), IMAGES, jnp.zeros(BATCH, jnp.int32), jnp.arange(BATCH), jnp.int32(0)
  )[0]
  np.testing.assert_allclose(view, clean, atol=1e-6)


def test_the_clean_view_of_apr_sp_is_that_of_apr_s(everything_but_apr_p):
  clean, mixed = augmenter(padding=2, flip=True, apr_s=0.7, apr_p=1.0)(3)
  np.testing.assert_array_equal(clean, everything_but_apr_p(3)[0])
  assert unequal(clean, mixed).sum() > 8


def targets_of(labels, **keywords):
  augment = jax.jit(make_augmentation(settings(**keywords), BATCH))
  return [
    np.asarray(x)
    for x in augment(jax.random.key(1), IMAGES, labels, jnp.arange(BATCH), jnp.int32(0))
  ]


def test_targets_are_one_hot_unless_images_are_mixed():
  labels = np.arange(BATCH)[::-1].copy()
  views, targets = targets_of(labels)
  np.testing.assert_array_equal(targets, np.eye(BATCH)[labels])
  _, kept = targets_of(labels, **{"apr_p.prob": 1.0})  # the phase decides
  np.testing.assert_array_equal(kept, targets)
  mixed, mixed_targets = targets_of(labels, **{"mixup.alpha": 1.0})
  np.testing.assert_allclose(mixed_targets.sum(1), 1, rtol=1e-6)
  # The images are mixed with the same weights as the labels.
  weights = mixed_targets[:, labels]
  np.testing.assert_allclose(mixed[0], np.tensordot(weights, views[0], 1), atol=1e-5)
  assert unequal(mixed[0], views[0]).sum() > BATCH // 2


def test_cutout_blanks_with_the_mean_and_leaves_the_other_draws_alone():
  plain = make_augmentation(settings(padding=2, flip=True), CLASSES)
  blanking = make_augmentation(
    settings(padding=2, flip=True, **{"cutout.size": 4}), CLASSES, (0.3, 0.2, 0.1)
  )
  arguments = (
    jax.random.key(2),
    IMAGES,
    jnp.zeros(BATCH, jnp.int32),
    jnp.arange(BATCH),
    jnp.int32(0),
  )
  (whole,), (cut,) = (np.asarray(jax.jit(augment)(*arguments)[0]) for augment in (plain, blanking))
  blank = (cut == np.float32([0.3, 0.2, 0.1])).all(-1)
  assert ((blank.sum((1, 2)) >= 4) & (blank.sum((1, 2)) <= 16)).all()
  np.testing.assert_array_equal(cut[~blank], whole[~blank])


def test_patch_uniform_adds_noise_to_squares_and_leaves_the_other_draws_alone():
  whole, noisy = (
    augmenter(padding=2, flip=True, **on)(2)[0] for on in ({}, {"patch_uniform.size": 4})
  )
  changed = (noisy != whole).any(-1)
  assert ((changed.sum((1, 2)) >= 1) & (changed.sum((1, 2)) <= 16)).all()
  assert noisy.min() >= 0 and noisy.max() <= 1 and np.abs(noisy - whole).max() > 0.3


@pytest.mark.parametrize("plus", [False, True])
def test_hybrid_p_is_the_same_on_any_number_of_devices_but_for_the_partners(plus):
  on = {"hybrid_p.prob": 0.5, "hybrid_p.plus": plus}
  alone, shared = augmenter(1, **on), augmenter(2, **on)
  coins = []
  for seed in range(8):
    (clean, mixed), (_, halves) = alone(seed), shared(seed)
    coins.append(bool(unequal(clean, mixed).any()))
    assert unequal(clean, halves).reshape(2, -1).any(1).tolist() == [coins[-1]] * 2
  assert 1 <= sum(coins) <= 7


def test_hybrid_p_plus_recombines_the_low_part_with_its_own_coin():
  plain = augmenter(1, **{"hybrid_p.prob": 0.5})
  plus = augmenter(1, **{"hybrid_p.prob": 0.5, "hybrid_p.plus": True})
  kinds = set()
  for seed in range(16):
    (clean, mixed), (_, recombined) = plain(seed), plus(seed)
    kinds.add((bool(unequal(clean, mixed).any()), bool(np.abs(mixed - recombined).max() > 1e-3)))
  assert kinds == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize(
  "on",
  [
    {"hybrid_s.prob": 1.0},
    {"autoaugment.policy": "cifar10"},
    {"random_autoaugment.prob": 1.0},
    {"patch_uniform.size": 8},
    {"power_perturbation.prob": 1.0},
    {"augmix.width": 1, "augmix.depth": 1},
    {"simclr.views": 2},
  ],
)
def test_single_rivals_go_by_position_and_not_by_device(on):
  augment = jax.jit(make_augmentation(settings(**on), CLASSES))
  same = np.repeat(IMAGES[:1], 8, axis=0)

  def made(first, shard):
    return np.asarray(
      augment(
        jax.random.key(0), same, jnp.zeros(8, jnp.int32), first + jnp.arange(8), jnp.int32(shard)
      )[0]
    )

  here = made(8, 1)
  np.testing.assert_array_equal(here, made(8, 0))
  np.testing.assert_array_equal(here[:, 2:], made(10, 0)[:, :6])
  assert len({image.tobytes() for image in here[-1]}) >= 4

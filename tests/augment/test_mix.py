"""Mixup and CutMix against NumPy, on shares that the mixed targets tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.augment import mix

BATCH, HEIGHT, WIDTH = 8, 12, 10
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 1, (BATCH, HEIGHT, WIDTH, 3)).astype(np.float32)
# Every image is a class of its own, so the targets say who was mixed with whom, and how much.
TARGETS = np.eye(BATCH, dtype=np.float32)
SEEDS = 40

mixup = jax.jit(mix.mixup)
cutmix = jax.jit(mix.cutmix)


def partners_and_share(targets):
  """The permutation and λ that the mixed one-hot targets tell; λ is None where every image is its
  own partner.
  """
  other = targets - np.diag(np.diag(targets))
  partners = np.where(other.max(1) > 0, other.argmax(1), np.arange(BATCH))
  moved = partners != np.arange(BATCH)
  return partners, float(targets.diagonal()[moved].mean()) if moved.any() else None


def test_mixup_averages_images_and_targets_with_one_share():
  shares = []
  for seed in range(SEEDS):
    images, targets = (np.asarray(x) for x in mixup(jax.random.key(seed), IMAGES, TARGETS))
    assert images.dtype == targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    partners, share = partners_and_share(targets)
    assert sorted(partners) == list(range(BATCH))
    np.testing.assert_allclose(images, share * IMAGES + (1 - share) * IMAGES[partners], atol=1e-5)
    shares.append(share)
  # Uniform: Beta(1, 1).
  assert (
    abs(np.mean(shares) - 0.5) < 3 / np.sqrt(12 * SEEDS)
    and min(shares) < 0.15
    and max(shares) > 0.85
  )


def test_alpha_is_that_of_the_beta_distribution():
  shares = [
    partners_and_share(np.asarray(mixup(jax.random.key(seed), IMAGES, TARGETS, 0.2)[1]))[1]
    for seed in range(SEEDS)
  ]
  # Var Beta(α, α) = 1 / (4 (2α + 1)): 0.179 for α = 0.2, against 0.083 for α = 1.
  assert np.var(shares) > 0.13


def test_cutmix_pastes_a_box_and_weighs_by_its_pixels():
  shares = []
  for seed in range(SEEDS):
    images, targets = (np.asarray(x) for x in cutmix(jax.random.key(seed), IMAGES, TARGETS))
    assert images.dtype == targets.dtype == np.float32
    partners, share = partners_and_share(targets)
    if share is None:  # an empty box
      np.testing.assert_array_equal(images, IMAGES)
      continue
    moved = np.flatnonzero(partners != np.arange(BATCH))
    boxes = (images != IMAGES).any(-1)[moved]
    np.testing.assert_array_equal(boxes, boxes[:1].repeat(len(moved), 0))
    rows, columns = np.flatnonzero(boxes[0].any(1)), np.flatnonzero(boxes[0].any(0))
    assert (
      boxes[0].sum()
      == len(rows) * len(columns)
      == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    )
    assert share == pytest.approx(1 - boxes[0].mean(), rel=1e-5)
    np.testing.assert_array_equal(images, np.where(boxes[:1, ..., None], IMAGES[partners], IMAGES))
    shares.append(share)
  assert min(shares) < 0.5 and max(shares) > 0.9


@pytest.mark.parametrize(
  "share, row, column, expected",
  [
    (0.75, 6, 5, (3, 9, 3, 7)),  # half of 12 is 6; half of 10 is 5, of which one is lost
    (0.0, 6, 5, (0, 12, 0, 10)),
    (1.0, 6, 5, (6, 6, 5, 5)),
    (0.75, 0, 9, (0, 3, 7, 10)),  # cut off at the border
    (0.0, 0, 0, (0, 6, 0, 5)),
  ],
)
def test_box_by_hand(share, row, column, expected):
  assert (
    tuple(jax.jit(mix.box_of, static_argnums=(0, 1))(12, 10, share, row, column).tolist())
    == expected
  )


def test_the_boxes_centre_is_any_pixel():
  # With an α so large λ is 0.5, and a box 8 of 12 rows high and 6 of 10 columns wide. The nearer
  # its centre to a border, the more is cut off; 4 rows and 3 columns are left at the first pixel.
  keys = jax.random.split(jax.random.key(0), 100)
  images = jax.jit(jax.vmap(lambda key: mix.cutmix(key, IMAGES, TARGETS, 1e4)[0]))(keys)
  boxes = (np.asarray(images) != IMAGES).any((1, -1))
  assert set(boxes.any(2).sum(1)) - {0} == {4, 5, 6, 7, 8}
  assert set(boxes.any(1).sum(1)) - {0} == {3, 4, 5, 6}


def test_cutmix_mixes_some_batches_only():
  untouched = [
    bool((cutmix(jax.random.key(seed), IMAGES, TARGETS, prob=0.5)[1] == TARGETS).all())
    for seed in range(SEEDS)
  ]
  assert 8 <= sum(untouched) <= 34  # of 40, half and a few empty boxes
  images, targets = cutmix(jax.random.key(0), IMAGES, TARGETS, prob=0.0)
  np.testing.assert_array_equal(images, IMAGES)
  np.testing.assert_array_equal(targets, TARGETS)


@pytest.mark.parametrize("function", [mixup, cutmix])
def test_devices_share_lambda_and_draw_their_own_partners(function):
  for seed in range(3):
    (_, first), (_, second) = (
      function(jax.random.key(seed), IMAGES, TARGETS, shard=jnp.int32(i)) for i in (0, 1)
    )
    (partners, share), (others, same) = (
      partners_and_share(np.asarray(targets)) for targets in (first, second)
    )
    assert (share is None and same is None) or share == pytest.approx(same)
    assert share is None or (partners != others).any()

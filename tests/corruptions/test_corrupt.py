"""The public function: contract, keys, sizes and errors, for every corruption."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, corrupt
from apr_jax.errors import UserError

NAMES = CORRUPTIONS + EXTRA_CORRUPTIONS
DRAWN = tuple(
  name
  for name in NAMES
  if name
  not in (
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
  )
)
# Corruptions whose published parameters grow in effect at every step.
GROWING = (
  "gaussian_noise",
  "shot_noise",
  "impulse_noise",
  "speckle_noise",
  "defocus_blur",
  "zoom_blur",
  "brightness",
  "contrast",
  "pixelate",
  "jpeg_compression",
  "gaussian_blur",
)
KEY = jax.random.key(7)


def test_names_are_the_benchmarks_in_its_order():
  assert CORRUPTIONS == (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
  )
  assert EXTRA_CORRUPTIONS == ("speckle_noise", "gaussian_blur", "spatter", "saturate")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_again_under_jit_and_in_any_batch(name, photographs):
  images = photographs[:3, :16, :16]
  plain = np.asarray(corrupt(KEY, images, name, 3))
  assert plain.shape == images.shape and plain.dtype == np.uint8
  assert (plain != images).any((1, 2, 3)).sum() >= 2, "an image in three may be spared, no more"
  np.testing.assert_array_equal(plain, corrupt(KEY, images, name, 3))
  # XLA may round a sum the other way once it is part of a larger program.
  inside = jax.jit(lambda key, batch, positions: corrupt(key, batch, name, 3, positions=positions))
  some = np.asarray(inside(KEY, images[[2, 0]], jnp.array([2, 0])))
  assert (plain[[2, 0]] != some).mean() < 2e-3 and np.abs(
    plain[[2, 0]].astype(int) - some
  ).mean() < 0.01


@pytest.mark.parametrize("name", DRAWN)
def test_images_and_keys_draw_differently(name, photographs):
  same = np.stack([photographs[10, :16, :16]] * 3)
  corrupted = np.asarray(corrupt(KEY, same, name, 3)).astype(int)
  other_key = np.asarray(corrupt(jax.random.key(8), same, name, 3))
  assert np.abs(corrupted[0] - corrupted[2]).mean() > 0.1
  assert np.abs(corrupted - other_key).mean() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_any_size_and_shape(name, photograph):
  images = photograph[None, :61, :43]
  corrupted = np.asarray(corrupt(KEY, images, name, 4))
  assert corrupted.shape == images.shape and corrupted.dtype == np.uint8
  # Every corruption leaves something of the picture: no NaN turned black, no axes exchanged.
  assert np.corrcoef(corrupted.ravel(), images.ravel())[0, 1] > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_imagenet_size(name, photograph):
  corrupted = np.asarray(corrupt(KEY, photograph[None], name, 5))
  assert corrupted.shape == (1, 224, 224, 3)
  assert np.corrcoef(corrupted.ravel(), photograph.ravel())[0, 1] > 0.1
  assert corrupted.std() > 2


@pytest.mark.parametrize("name", GROWING)
def test_severity_grows(name, photographs):
  changes = [
    np.abs(np.asarray(corrupt(KEY, photographs, name, severity)).astype(int) - photographs).mean()
    for severity in (1, 3, 5)
  ]
  assert changes == sorted(changes) and changes[2] > 1.3 * changes[0]


@pytest.mark.parametrize(
  "images, severity, positions, said",
  [
    (np.zeros((2, 32, 32, 3), np.float32), 1, None, "float32"),
    (np.zeros((32, 32, 3), np.uint8), 1, None, "[32, 32, 3]"),
    (np.zeros((2, 32, 32, 1), np.uint8), 1, None, "[2, 32, 32, 1]"),
    ([[0]], 1, None, "list"),
    (np.zeros((2, 7, 32, 3), np.uint8), 1, None, "at least 8"),
    (np.zeros((2, 32, 32, 3), np.uint8), 0, None, "severity: got 0"),
    (np.zeros((2, 32, 32, 3), np.uint8), 6, None, "1 to 5"),
    (np.zeros((2, 32, 32, 3), np.uint8), 2.5, None, "2.5"),
    (np.zeros((2, 32, 32, 3), np.uint8), True, None, "True"),
    (np.zeros((2, 32, 32, 3), np.uint8), 1, np.arange(3), "int64 [3]"),
    (np.zeros((2, 32, 32, 3), np.uint8), 1, np.zeros(2, np.float32), "float32 [2]"),
  ],
)
def test_errors_are_one_line(images, severity, positions, said):
  with pytest.raises(UserError) as error:
    corrupt(KEY, images, "fog", severity, positions=positions)
  assert said in str(error.value) and "need" in str(error.value) and "\n" not in str(error.value)


def test_a_wrong_array_is_a_value_error_as_of_every_public_function():
  with pytest.raises(ValueError, match="need uint8"):
    corrupt(KEY, np.zeros((1, 32, 32, 3)), "fog", 1)


def test_unknown_name_lists_the_known():
  with pytest.raises(UserError, match="did you mean 'frost'.*gaussian_noise.*zoom_blur"):
    corrupt(KEY, np.zeros((1, 32, 32, 3), np.uint8), "frosty", 1)

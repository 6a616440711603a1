"""Of any uint8 image of 8 to 64 pixels a side, odd ones too, the augmentations and corruptions make
images: finite, of the right type, range and shape; operations of tables are Pillow's.

Sizes are few, for each is compiled; contents are any.
"""

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

import apr_jax
from apr_jax import corruptions, spectrum
from apr_jax.augment import ops

SIZES = ((8, 8), (9, 13), (64, 33))

# A program for each size; operation by operation, each example would take as long.
autocontrast, equalize, posterize, solarize = map(
  jax.jit, (ops.autocontrast, ops.equalize, ops.posterize, ops.solarize)
)


@jax.jit
def moved(image, amount):
  """The image as each of the operations that move pixels leaves it."""
  height, width, _ = image.shape
  return (
    ops.rotate(image, 180 * amount),
    ops.shear_x(image, amount),
    ops.shear_y(image, amount),
    ops.translate_x(image, width * amount),
    ops.translate_y(image, height * amount),
  )


def images(size, count=2):
  """Any batch; most values of an example are alike, as in a flat picture."""
  return arrays.arrays(
    np.uint8, (count, *size, 3), elements=st.integers(0, 255), fill=st.integers(0, 255)
  )


def seeds():
  return st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("size", SIZES)
@given(data=st.data(), seed=seeds())
def test_apr_s_makes_images(size, data, seed):
  batch = data.draw(images(size))
  for overflow in ("clip", "wrap"):
    made = np.asarray(apr_jax.apr_s(jax.random.key(seed), batch, overflow=overflow))
    assert made.dtype == np.uint8 and made.shape == batch.shape


@pytest.mark.parametrize("size", SIZES)
@given(data=st.data(), seed=seeds())
def test_apr_p_makes_finite_images(size, data, seed):
  batch = data.draw(images(size)).astype(np.float32) / 255
  made = np.asarray(apr_jax.apr_p(jax.random.key(seed), batch, prob=1.0))
  assert made.dtype == np.float32 and made.shape == batch.shape and np.isfinite(made).all()
  kept = np.asarray(apr_jax.apr_p(jax.random.key(seed), batch, prob=0.0))
  np.testing.assert_array_equal(kept, batch)


@pytest.mark.parametrize("size", SIZES)
@given(data=st.data())
def test_recombining_has_the_amplitude_of_the_one_and_is_the_identity_of_two(size, data):
  first, second = data.draw(images(size)).astype(np.float32) / 255
  np.testing.assert_allclose(spectrum.recombine(first, first), first, atol=1e-4)
  made = np.asarray(spectrum.recombine(first, second), np.float64)
  assert np.isfinite(made).all()
  # The transform of what is made, in float64, has the amplitude; where the phase of the second is
  # that of rounding alone it is still a phase.
  expected = np.abs(np.fft.fftn(first.astype(np.float64)))
  np.testing.assert_allclose(
    np.abs(np.fft.fftn(made)), expected, atol=2e-5 * (1 + expected.max()), rtol=1e-3
  )


@pytest.mark.parametrize("size", SIZES)
@given(data=st.data())
def test_operations_of_tables_are_those_of_pillow(size, data):
  image = data.draw(images(size, 1))[0]
  bits, threshold = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 256))
  picture = Image.fromarray(image)
  for ours, theirs in (
    (autocontrast(image), ImageOps.autocontrast(picture)),
    (equalize(image), ImageOps.equalize(picture)),
    (posterize(image, bits), ImageOps.posterize(picture, bits)),
    (solarize(image, threshold), ImageOps.solarize(picture, threshold)),
  ):
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@given(data=st.data(), amount=st.floats(-1, 1))
def test_operations_that_move_pixels_make_images(size, data, amount):
  image = data.draw(images(size, 1))[0]
  for made in map(np.asarray, moved(image, amount)):
    assert made.dtype == np.uint8 and made.shape == image.shape
    # Nothing is brighter than the image; what comes from outside is black.
    assert made.max() <= image.max()


FLAT = [np.full((17, 23, 3), value, np.uint8) for value in (0, 1, 128, 255)]
BOARD = np.indices((17, 23)).sum(0)[..., None] % 2 * np.full(3, 255)
POINT = np.zeros((17, 23, 3))
POINT[8, 11] = 255
EXTREME = np.stack([*FLAT, BOARD, POINT]).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", (*corruptions.CORRUPTIONS, *corruptions.EXTRA_CORRUPTIONS))
@settings(max_examples=5)
@given(data=st.data(), seed=seeds())
def test_corruptions_make_images_of_any(name, data, seed):
  batch = np.concatenate([EXTREME, data.draw(images((17, 23)))])
  made = np.asarray(corruptions.corrupt(jax.random.key(seed), batch, name, 5))
  assert made.dtype == np.uint8 and made.shape == batch.shape

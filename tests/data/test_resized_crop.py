"""Random resized crops, against Python's arithmetic and Pillow."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from apr_jax.data.resized_crop import (
  ATTEMPTS,
  RATIOS,
  choose_box,
  decode_jpeg_box,
  random_resized_crop,
  resize,
)
from tests import lazy

tf = lazy.needed("tensorflow")


def box_by_hand(draws, height, width, min_area):
  """RandomResizedCrop of torchvision, written out: (top, left, height, width)."""
  for area_draw, ratio_draw, top_draw, left_draw in draws:
    area = (min_area + (1 - min_area) * area_draw) * height * width
    low, high = math.log(3 / 4), math.log(4 / 3)
    ratio = math.exp(low + (high - low) * ratio_draw)
    w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
    if 0 < w <= width and 0 < h <= height:
      return int(top_draw * (height - h + 1)), int(left_draw * (width - w + 1)), h, w
  if width / height < 3 / 4:
    w, h = width, round(width / (3 / 4))
  elif width / height > 4 / 3:
    w, h = round(height * 4 / 3), height
  else:
    w, h = width, height
  return (height - h) // 2, (width - w) // 2, h, w


def boxes(height, width, min_area, count=200):
  draws = np.random.RandomState(0).uniform(size=(count, ATTEMPTS, 4))
  choose = tf.function(lambda draw: choose_box(draw, height, width, min_area))
  return draws, np.array([choose(draw).numpy() for draw in draws])


@pytest.mark.parametrize(
  "height, width, min_area",
  [
    (375, 500, 0.08),
    (500, 375, 0.08),
    (64, 64, 0.08),
    (30, 400, 0.08),
    (400, 31, 0.25),
    (100, 110, 1.0),
  ],
)
def test_boxes_are_those_of_the_written_out_rule(height, width, min_area):
  draws, found = boxes(height, width, min_area)
  np.testing.assert_array_equal(
    found, [box_by_hand(draw, height, width, min_area) for draw in draws]
  )
  top, left, h, w = found.T
  assert (
    (top >= 0).all()
    and (left >= 0).all()
    and (top + h <= height).all()
    and (left + w <= width).all()
  )


@pytest.mark.parametrize(
  "height, width, expected",
  [(100, 1000, (0, 433, 100, 133)), (1000, 100, (433, 0, 133, 100)), (100, 120, (0, 0, 100, 120))],
)
def test_where_no_attempt_fits_the_central_box_is_taken(height, width, expected):
  draws = np.zeros((ATTEMPTS, 4))
  draws[:, 0] = 1  # the whole area at a ratio of 3/4 or 4/3 fits none of them
  draws[:, 1] = [0, 1] * (ATTEMPTS // 2)
  assert tuple(choose_box(draws, height, width, 0.08).numpy()) == expected


def test_areas_and_ratios_are_spread_as_they_should_be():
  _, found = boxes(2000, 2000, 0.08, count=1500)
  _, _, h, w = found.T.astype(float)
  # Boxes that fit: small areas nearly always, so the mean lies below the middle of [0.08, 1].
  assert 0.40 < (h * w / 4e6).mean() < 0.53
  assert (h * w / 4e6).min() > 0.079 and (h * w / 4e6).max() > 0.95
  logs = np.log(w / h) / math.log(4 / 3)
  assert abs(logs.mean()) < 0.06 and logs.min() < -0.95 and logs.max() > 0.95


def encode(pixels, kind, **options):
  stream = io.BytesIO()
  Image.fromarray(pixels).save(stream, kind, **options)
  return stream.getvalue()


def drawn_box(seed, height, width, min_area=0.08):
  draws = tf.random.stateless_uniform((ATTEMPTS, 4), seed, dtype=tf.float64).numpy()
  return box_by_hand(draws, height, width, min_area)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("seed", [(0, 0), (3, 7), (2**62, 5)])
def test_pixels_are_pillows(photograph, kind, seed):
  encoded = encode(photograph, kind)
  top, left, h, w = drawn_box(seed, 224, 224)
  decoded = Image.open(io.BytesIO(encoded)).convert("RGB").crop((left, top, left + w, top + h))
  expected = np.asarray(decoded.resize((96, 96), Image.Resampling.BILINEAR)).astype(int)
  found = random_resized_crop(encoded, np.int64(seed), 96, 0.08).numpy()
  assert found.dtype == np.uint8 and found.shape == (96, 96, 3)
  difference = np.abs(found.astype(int) - expected)
  if kind == "JPEG":  # chroma at the edge of the box
    assert difference[2:-2, 2:-2].max() <= 1 and difference.max() <= 8
  else:
    assert difference.max() <= 1


@pytest.mark.parametrize("height, width", [(150, 90), (224, 224), (40, 201), (1, 7), (97, 96)])
def test_resizing_is_tensorflows_to_the_bit(photograph, height, width):
  image = photograph[:height, :width]
  expected = tf.image.resize(image, (96, 96), antialias=True).numpy()
  found = resize(tf.constant(image), 96).numpy()
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, np.rint(expected))


def test_black_and_white_stay_black_and_white():
  for height, width in ((131, 57), (300, 301), (9, 400)):
    halves = np.zeros((height, width, 3), np.uint8)
    halves[:, width // 2 :] = 255
    found = resize(tf.constant(halves), 64).numpy()
    assert (found[:, :20] == 0).all() and (found[:, -20:] == 255).all()


def test_the_whole_image_at_its_own_size_is_left_alone(photograph):
  found = random_resized_crop(encode(photograph, "PNG"), np.int64([1, 2]), 224, 1.0).numpy()
  np.testing.assert_array_equal(found, photograph)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_grey_and_transparent_images_become_rgb(photograph, kind):
  def whole(encoded):
    return random_resized_crop(encoded, np.int64([1, 2]), 224, 1.0).numpy()

  grey = whole(encode(photograph[..., 0], kind, **({"quality": 100} if kind == "JPEG" else {})))
  assert (grey == grey[..., :1]).all() and np.abs(
    grey[..., 0].astype(int) - photograph[..., 0]
  ).max() <= 3
  if kind == "PNG":
    alpha = np.dstack([photograph, np.arange(224, dtype=np.uint8)[None].repeat(224, 0)])
    np.testing.assert_array_equal(whole(encode(alpha, kind)), photograph)


def test_seeds_draw_apart_and_repeat(photograph):
  encoded = encode(photograph, "PNG")
  crops = [
    random_resized_crop(encoded, np.int64([5, place]), 16, 0.08).numpy().tobytes()
    for place in range(12)
  ]
  assert len(set(crops)) == 12
  assert crops[3] == random_resized_crop(encoded, np.int64([5, 3]), 16, 0.08).numpy().tobytes()


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_jpeg_decoded_smaller_is_pillows(photograph, ratio):
  encoded = encode(photograph[:200, :216], "JPEG")
  smaller = Image.open(io.BytesIO(encoded))
  smaller.draft("RGB", (216 // ratio, 200 // ratio))
  assert smaller.size == (216 // ratio, 200 // ratio)
  expected = np.asarray(smaller).astype(int)
  whole = decode_jpeg_box(encoded, tf.constant([0, 0, 200, 216]), ratio).numpy()
  assert np.abs(whole - expected).max() <= 1
  # All pixels that the box touches; at its edge chroma is interpolated from fewer.
  top, left, height, width = 21, 50, 83, 101
  box = decode_jpeg_box(encoded, tf.constant([top, left, height, width]), ratio).numpy()
  rows = slice(top // ratio, math.ceil((top + height) / ratio))
  columns = slice(left // ratio, math.ceil((left + width) / ratio))
  difference = np.abs(box - expected[rows, columns])
  assert difference[1:-1, 1:-1].max() <= 1 and difference.max() <= 40


@pytest.mark.parametrize("seed", [(0, 0), (3, 7), (5, 1), (8, 2)])
@pytest.mark.parametrize("size", [14, 50, 200])
def test_fast_crops_are_plain_tensorflows(photograph, seed, size):
  top, left, h, w = drawn_box(seed, 224, 224)
  ratio = max(ratio for ratio in RATIOS if ratio == 1 or min(h, w) // size >= ratio)
  encoded = encode(photograph, "JPEG")
  smaller = tf.image.decode_jpeg(encoded, 3, ratio, dct_method="INTEGER_ACCURATE")
  box = smaller[top // ratio : -(-(top + h) // ratio), left // ratio : -(-(left + w) // ratio)]
  expected = np.rint(tf.image.resize(box, (size, size)).numpy())
  found = random_resized_crop(encoded, np.int64(seed), size, 0.08, fast=True).numpy()
  assert found.dtype == np.uint8
  edge = 2 if size < 200 else 8
  difference = np.abs(found - expected)
  assert difference[edge:-edge, edge:-edge].max() <= 1 and difference.mean() < 0.5
  # of what is no JPEG, whole pixels and no antialiasing
  png = random_resized_crop(encode(photograph, "PNG"), np.int64(seed), size, 0.08, fast=True)
  pixels = photograph[top : top + h, left : left + w]
  np.testing.assert_array_equal(png, np.rint(tf.image.resize(pixels, (size, size)).numpy()))


def test_fast_crops_look_like_the_others(photograph):
  encoded = encode(photograph, "JPEG")
  for place in range(6):
    crops = [
      random_resized_crop(encoded, np.int64([5, place]), 40, 0.08, fast).numpy().astype(int)
      for fast in (True, False)
    ]
    apart = np.abs(crops[0] - crops[1]).mean()
    assert 0 < apart < 0.45 * crops[1].std()


@pytest.mark.parametrize("encoded", [b"", b"not an image", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_image_is_an_error_of_the_operation(encoded):
  with pytest.raises(tf.errors.OpError):
    random_resized_crop(encoded, np.int64([0, 0]), 8, 0.08)

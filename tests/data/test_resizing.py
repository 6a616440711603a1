"""Resizing, cropping and stacking, against Pillow and by hand."""

import numpy as np
import pytest
from PIL import Image

from apr_jax.data import resizing
from apr_jax.errors import UserError

RNG = np.random.RandomState(0)


def named(*images):
  return [(f"image {index}", image) for index, image in enumerate(images)]


@pytest.mark.parametrize("height, width, top, left", [(8, 8, 0, 0), (8, 13, 0, 2), (12, 8, 2, 0)])
def test_crop_is_central_and_does_not_touch_values(height, width, top, left):
  image = RNG.randint(0, 256, (height, width, 3), dtype=np.uint8)
  np.testing.assert_array_equal(
    resizing.resize_crop(image, 8), image[top : top + 8, left : left + 8]
  )


def test_resize_is_pillow_bilinear_on_the_short_side():
  image = RNG.randint(0, 256, (40, 60, 3), dtype=np.uint8)
  expected = np.asarray(Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR))[:, 4:20]
  np.testing.assert_array_equal(resizing.resize_crop(image, 16), expected)


# torchvision: the long side becomes int(256 * long / short), the crop begins at int(round((side -
# 224) / 2.0)).
@pytest.mark.parametrize(
  "height, width, resized, top, left",
  [
    (375, 500, (256, 341), 16, 58),  # 341.33; 58.5 is rounded to the even 58
    (500, 333, (384, 256), 80, 16),  # 384.38
    (300, 300, (256, 256), 16, 16),
    (256, 400, (256, 400), 16, 88),  # not resized
    (100, 131, (256, 335), 16, 56),  # enlarged: 335.36; 55.5 is rounded to the even 56
  ],
)
def test_evaluation_of_imagenet_is_resize_256_and_central_224(height, width, resized, top, left):
  image = RNG.randint(0, 256, (height, width, 3), dtype=np.uint8)
  expected = np.asarray(Image.fromarray(image).resize(resized[::-1], Image.Resampling.BILINEAR))
  found = resizing.resize_crop(image, 224, 256)
  np.testing.assert_array_equal(found, expected[top : top + 224, left : left + 224])


def test_the_short_side_is_by_default_that_of_the_crop():
  image = RNG.randint(0, 256, (40, 60, 3), dtype=np.uint8)
  np.testing.assert_array_equal(
    resizing.resize_crop(image, 16), resizing.resize_crop(image, 16, 16)
  )
  assert (resizing.resize_crop(image, 16) != resizing.resize_crop(image, 16, 20)).any()


def test_shrinking_averages():
  """Without antialiasing a fine checkerboard would come out black, white or striped instead of
  grey.
  """
  board = np.repeat((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=-1)
  assert np.all(np.abs(resizing.resize_crop(board, 8).astype(int)[1:-1, 1:-1] - 127.5) < 3)


def test_extreme_shapes_give_the_asked_size():
  for shape in [(1, 50, 3), (50, 1, 3), (7, 1000, 3)]:
    assert resizing.resize_crop(RNG.randint(0, 256, shape, dtype=np.uint8), 5).shape == (5, 5, 3)


def test_grey_is_repeated():
  grey = RNG.randint(0, 256, (4, 4, 1), dtype=np.uint8)
  colour = RNG.randint(0, 256, (4, 4, 3), dtype=np.uint8)
  stacked = resizing.stack_images(named(grey, colour), 2, 0, "set")
  np.testing.assert_array_equal(stacked[0], np.concatenate([grey] * 3, axis=-1))
  np.testing.assert_array_equal(stacked[1], colour)


def zeros(*shape, dtype=np.uint8):
  return np.zeros(shape, dtype)


@pytest.mark.parametrize(
  "images, count, words",
  [
    ([zeros(4, 4, 3), zeros(5, 4, 3)], 2, ["image 1", "5x4", "4x4", "data.image_size"]),
    ([zeros(4, 4, 2)], 1, ["image 0", "channels", "[4, 4, 2]"]),
    ([zeros(4, 4, 3, dtype=np.float32)], 1, ["image 0", "uint8", "float32"]),
    ([zeros(4, 4, 3)], 2, ["the set", "1 of the 2"]),
    ([zeros(4, 4, 3)] * 3, 2, ["the set", "more than the 2"]),
    ([], 0, ["the set", "0 of the 0"]),
    ([zeros(64, 64, 3)], 10**6, ["the set", "1000000 images", "64x64", "11.4 GiB", "8 GiB"]),
  ],
)
def test_refusals(images, count, words):
  with pytest.raises(UserError) as error:
    resizing.stack_images(named(*images), count, 0, "the set")
  for word in words:
    assert word in str(error.value)
  assert "\n" not in str(error.value)

"""Images of any size and channel count, made into one uint8 array.

Units: pixels; uint8 values 0..255.
"""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from apr_jax.data.array_data import check_uint8
from apr_jax.errors import UserError

MAX_BYTES = 8 * 2**30


def rgb(images: np.ndarray, where: str) -> np.ndarray:
  """Images with three channels: one grey channel is repeated, three are kept.

  Args:
    images: uint8 `[..., H, W, C]`.
    where: the source, for the message.

  Returns:
    uint8 `[..., H, W, 3]`.

  Raises:
    UserError: not uint8, or C is neither 1 nor 3.
  """
  check_uint8(images, where)
  if images.shape[-1] == 1:
    return np.repeat(images, 3, axis=-1)
  if images.shape[-1] != 3:
    raise UserError(
      f"{where}: images must have 1 or 3 channels last, got shape {list(images.shape)}; "
      f"convert them to RGB"
    )
  return images


def resize_crop(image: np.ndarray, size: int, resize: int = 0) -> np.ndarray:
  """Short side resized to `resize`, then the central square of `size` cut out.

  Bilinear with antialiasing (Pillow widens the filter when it shrinks). The long side is rounded
  down and the crop offset rounded half to even, as torchvision's Resize and CenterCrop do, so that
  evaluations agree.

  Args:
    image: uint8 `[H, W, 3]`.
    size: side of the result in pixels.
    resize: short side before the crop in pixels, at least `size`; 0 = the same as `size`.

  Returns:
    uint8 `[size, size, 3]`.
  """
  height, width = image.shape[:2]
  short, target = min(height, width), resize or size
  if short != target:
    height, width = target * height // short, target * width // short
    image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
  top, left = round((height - size) / 2), round((width - size) / 2)
  return image[top : top + size, left : left + size]


def stack_images(
  named_images: Iterable[tuple[str, np.ndarray]],
  count: int,
  image_size: int,
  source: str,
  resize: int = 0,
) -> np.ndarray:
  """Collects images into one array, allocated once.

  Args:
    named_images: pairs (where, uint8 `[H, W, 1 or 3]`); `where` names the image in messages.
    count: how many images follow.
    image_size: side to resize and crop to; 0 keeps the stored size, which must then be the same for
      all.
    source: what the images together are called in messages.
    resize: short side before the crop, as of `resize_crop`.

  Returns:
    uint8 `[count, H, W, 3]`.

  Raises:
    UserError: sizes differ and `image_size` is 0, the array would exceed MAX_BYTES, an image is not
      usable, or there are not exactly `count` (at least 1) of them.
  """
  stacked = None
  position = 0
  for position, (where, image) in enumerate(named_images, start=1):
    image = rgb(image, where)
    if image_size:
      image = resize_crop(image, image_size, resize)
    if stacked is None:
      stacked = np.empty((count, *_affordable(image.shape, count, source)), np.uint8)
    if image.shape != stacked.shape[1:]:
      raise UserError(
        f"{where}: is {_side(image.shape)}, but the images before it are "
        f"{_side(stacked.shape[1:])} (height x width); set data.image_size to resize them all"
      )
    if position > count:
      raise UserError(
        f"{source}: has more than the {count} images announced; prepare the data set again"
      )
    stacked[position - 1] = image
  if position != count or stacked is None:
    raise UserError(
      f"{source}: has {position} of the {count} images announced; prepare the data set again"
    )
  return stacked


def resize_all(images: np.ndarray, image_size: int, name: str, resize: int = 0) -> np.ndarray:
  """Images uint8 `[N, H, W, 3]` as `resize_crop` makes them.

  They stay as they are where `image_size` is 0, or is their size and `resize` does not enlarge them
  first.
  """
  fits = images.shape[1:3] == (image_size, image_size) and resize in (0, image_size)
  if fits or not image_size:
    return images
  named = ((f"{name}, image {index}", image) for index, image in enumerate(images))
  return stack_images(named, len(images), image_size, name, resize)


def _affordable(shape: tuple[int, ...], count: int, source: str) -> tuple[int, ...]:
  needed = count * int(np.prod(shape))
  if needed > MAX_BYTES:
    raise UserError(
      f"{source}: {count} images of {_side(shape)} need {needed / 2**30:.1f} GiB, more than the "
      f"{MAX_BYTES / 2**30:.0f} GiB an in-memory data set may take; lower data.image_size or use "
      f"fewer images"
    )
  return shape


def _side(shape: tuple[int, ...]) -> str:
  return f"{shape[0]}x{shape[1]}"

"""Random resized crops of encoded images, as TensorFlow operations: how training sees ImageNet.

The box is torchvision's RandomResizedCrop: a share of the area, uniform in [min_area, 1], and an
aspect ratio, the logarithm of which is uniform between those of 3/4 and 4/3; the first of ten draws
that fits inside the image, else the central box of the nearest ratio in that range. It is resized
bilinearly with antialiasing and rounded: Pillow's resize up to one level, for Pillow rounds between
its two passes.

A JPEG is decoded inside the box only, in Pillow's arithmetic; at the edge of the box chroma may
differ by a few levels, as it is interpolated without the neighbours outside.

Fast crops cost fewer CPU cycles and are other pixels. A JPEG is decoded at 1/2, 1/4 or 1/8 of its
size where that leaves the box enough pixels; the box then begins and ends at whole pixels of the
smaller image. And it is resized without antialiasing.
"""

import functools
import math
from typing import Any

from apr_jax.data.lazy_tensorflow import import_tensorflow

ATTEMPTS = 10
RATIO = 4 / 3  # of width to height, or of height to width, at most
RATIOS = (1, 2, 4, 8)  # by which a JPEG can be decoded smaller


def random_resized_crop(
  encoded: Any, seed: Any, size: int, min_area: float, fast: bool = False
) -> Any:
  """A random box of an image, at a fixed size; a function of its arguments alone.

  Args:
    encoded: string tensor `[]`, the bytes of a JPEG, PNG, BMP, GIF or WebP image.
    seed: int64 tensor `[2]`.
    size: side of the result in pixels.
    min_area: smallest share of the area, in (0, 1].
    fast: make a fast crop, as above.

  Returns:
    uint8 tensor `[size, size, 3]`; grey is repeated, an alpha channel dropped.

  Raises:
    tf.errors.OpError, where the operation runs: the bytes are no image.
  """
  if fast:
    return resize_plainly(decode_random_box(encoded, seed, min_area, size), size)
  return resize(decode_random_box(encoded, seed, min_area), size)


def decode_random_box(encoded: Any, seed: Any, min_area: float, enough: int = 0) -> Any:
  """The pixels of the box.

  Args:
    encoded, seed, min_area: as of `random_resized_crop`.
    enough: decode a JPEG at 1/2, 1/4 or 1/8 of its size where both sides of the box keep so many
      pixels; 0: never.

  Returns:
    uint8 tensor `[h, w, 3]`.
  """
  tf, _ = import_tensorflow()
  draws = tf.random.stateless_uniform((ATTEMPTS, 4), seed, dtype=tf.float64)

  def decode_box() -> Any:
    shape = tf.image.extract_jpeg_shape(encoded)
    box = choose_box(draws, shape[0], shape[1], min_area)
    return decode_jpeg_reduced(encoded, box, enough) if enough else decode_jpeg_box(encoded, box)

  def decode_whole() -> Any:
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image = tf.ensure_shape(image, (None, None, 3))
    top, left, height, width = tf.unstack(
      choose_box(draws, tf.shape(image)[0], tf.shape(image)[1], min_area)
    )
    return image[top : top + height, left : left + width]

  return tf.cond(tf.io.is_jpeg(encoded), decode_box, decode_whole)


def decode_jpeg_reduced(encoded: Any, box: Any, enough: int) -> Any:
  """`decode_jpeg_box` at the largest ratio that leaves both sides of the box `enough` pixels."""
  tf, _ = import_tensorflow()
  fitting = tf.reduce_min(box[2:]) // enough >= RATIOS[1:]
  scales = [functools.partial(decode_jpeg_box, encoded, box, ratio) for ratio in RATIOS]
  return tf.switch_case(tf.reduce_sum(tf.cast(fitting, tf.int32)), scales)


def decode_jpeg_box(encoded: Any, box: Any, ratio: int = 1) -> Any:
  """A box of a JPEG, at 1/ratio of its size.

  Args:
    encoded: string tensor `[]`.
    box: int32 tensor `[4]`: top, left, height and width in pixels of the whole image.
    ratio: one of `RATIOS`.

  Returns:
    uint8 tensor `[h, w, 3]`, all pixels of the smaller image that the box touches.
  """
  tf, _ = import_tensorflow()
  if ratio > 1:
    first, after = box[:2] // ratio, -(-(box[:2] + box[2:]) // ratio)
    box = tf.concat([first, after - first], axis=0)
  return tf.image.decode_and_crop_jpeg(
    encoded, box, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
  )


def resize_plainly(image: Any, size: int) -> Any:
  """Bilinear between the four nearest pixels, without antialiasing; as `resize` otherwise."""
  tf, _ = import_tensorflow()
  return tf.cast(tf.round(tf.image.resize(image, (size, size))), tf.uint8)


def resize(image: Any, size: int) -> Any:
  """Bilinear with antialiasing, rounded half to even.

  To the bit what `tf.image.resize(image, (size, size), antialias=True)` gives, rounded. Its
  operation is fast where it adds up whole rows and slow along a row, which is most of its time. So
  here rows are added up twice, with a transposition between.

  Args:
    image: uint8 tensor `[h, w, 3]`.
    size: side of the result in pixels.

  Returns:
    uint8 tensor `[size, size, 3]`.
  """
  tf, _ = import_tensorflow()
  height, width = tf.unstack(tf.shape(image)[:2])

  def resize_rows(rows: Any, count: Any) -> Any:
    """`[count, k]` → float32 `[size, k]`."""
    scale = size / tf.cast(count, tf.float32)
    resized = tf.raw_ops.ScaleAndTranslate(
      images=rows[None, :, None, :],
      size=(size, 1),
      scale=tf.stack([scale, 1.0]),
      translation=(0.0, 0.0),
      kernel_type="triangle",
      antialias=True,
    )
    return resized[0, :, 0, :]

  rows = resize_rows(tf.reshape(image, (height, width * 3)), height)
  columns = tf.transpose(tf.reshape(rows, (size, width, 3)), (1, 0, 2))
  resized = resize_rows(tf.reshape(columns, (width, size * 3)), width)
  # As float32: on some CPUs TensorFlow complains on stderr of a transposition of uint8.
  pixels = tf.transpose(tf.reshape(resized, (size, size, 3)), (1, 0, 2))
  return tf.cast(tf.round(pixels), tf.uint8)  # means of 0..255 with weights above 0 stay there


def choose_box(draws: Any, height: Any, width: Any, min_area: float) -> Any:
  """The box that the draws choose.

  Args:
    draws: float64 tensor `[ATTEMPTS, 4]` in [0, 1): for the area, the ratio, the top and the left
      of each attempt.
    height, width: int tensors `[]`, of the image in pixels.
    min_area: smallest share of the area.

  Returns:
    int32 tensor `[4]`: top, left, height and width in pixels.
  """
  tf, _ = import_tensorflow()
  full = tf.cast(tf.stack([height, width]), tf.float64)
  area = (min_area + (1 - min_area) * draws[:, 0]) * full[0] * full[1]
  ratio = tf.exp((2 * draws[:, 1] - 1) * math.log(RATIO))
  # half to even, as Python rounds
  sides = tf.round(tf.sqrt(tf.stack([area / ratio, area * ratio], axis=1)))
  fits = tf.reduce_all((sides > 0) & (sides <= full), axis=1)
  attempt = tf.argmax(fits)  # the first
  drawn = tf.concat(
    [tf.floor(draws[attempt, 2:] * (full - sides[attempt] + 1)), sides[attempt]], axis=0
  )
  central = tf.minimum(full, tf.round(RATIO * full[::-1]))
  fallback = tf.concat([tf.floor((full - central) / 2), central], axis=0)
  return tf.cast(tf.where(fits[attempt], drawn, fallback), tf.int32)

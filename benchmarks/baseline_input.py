"""Training images of ImageNet from records, as tutorials of tf.data write it: the plain baseline of
`benchmarks.imagenet_input`.

Each image is decoded, a distorted box is sampled and cut out, and the box is resized bilinearly
without antialiasing.
"""

from collections.abc import Sequence
from typing import Any

from apr_jax.data.lazy_tensorflow import import_tensorflow

tf, _ = import_tensorflow()

FEATURES = {
  "image": tf.io.FixedLenFeature([], tf.string),
  "label": tf.io.FixedLenFeature([], tf.int64),
}


def dataset(files: Sequence[str], size: int, batch: int, count: int, whole: bool) -> Any:
  """Batches of uint8 images `[batch, size, size, 3]` and int64 labels.

  Args:
    files: of records.
    size: side of the crops in pixels.
    batch: images in a batch.
    count: take the first so many images.
    whole: decode the whole image and cut the box out, or decode the box alone.
  """

  def crop(record: Any) -> Any:
    example = tf.io.parse_single_example(record, FEATURES)
    encoded = example["image"]
    begin, extent, _ = tf.image.sample_distorted_bounding_box(
      tf.image.extract_jpeg_shape(encoded),
      tf.zeros((1, 0, 4)),
      min_object_covered=0,
      aspect_ratio_range=(3 / 4, 4 / 3),
      area_range=(0.08, 1),
      max_attempts=10,
      use_image_if_no_bounding_boxes=True,
    )
    if whole:
      box = tf.slice(tf.image.decode_jpeg(encoded, channels=3), begin, extent)
    else:
      window = tf.concat([begin[:2], extent[:2]], 0)
      box = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
    return tf.cast(tf.image.resize(box, (size, size)), tf.uint8), example["label"]

  records = tf.data.TFRecordDataset(list(files)).take(count).shuffle(batch)
  images = records.map(crop, num_parallel_calls=tf.data.AUTOTUNE)
  return images.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

"""Training images that are read from disk, decoded and cropped as they are needed, by tf.data.

Everything drawn is a function of the run's key, the epoch and the place in the epoch, so a stream
that begins in the middle of an epoch gives, to the bit, what a stream from its start would have
given there. Until an image's turn comes it is a path or encoded bytes; those that a continued run
has seen already are passed over in that form.
"""

import zlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from apr_jax import files
from apr_jax.data.array_data import check_labels
from apr_jax.data.lazy_tensorflow import import_tensorflow, without_notices
from apr_jax.data.resized_crop import random_resized_crop
from apr_jax.data.stream_sources import FileSource, Source
from apr_jax.data.tfds_reader import op_reason
from apr_jax.errors import UserError

Batch = tuple[np.ndarray, np.ndarray]

_BATCHES_AHEAD = 2  # decoded, in host memory


class ImageStream:
  """The training split of a data set, as a stream of batches.

  Several sources are mixed: each image of each comes once per epoch, in an order drawn anew.

  Attributes:
    name: what the data set is called in messages.
    num_classes: number of classes the labels are drawn from.
    image_size: (H, W) of the crops in pixels.
    num_examples: images in an epoch, over all processes; the same number for each of them, so up to
      a few less than there are.
  """

  def __init__(
    self,
    name: str,
    sources: Sequence[Source],
    num_classes: int,
    size: int,
    min_crop_area: float,
    process: int = 0,
    processes: int = 1,
    fast_crops: bool = False,
  ):
    self.name = name
    self.num_classes = num_classes
    self.image_size = (size, size)
    self._sources = sources
    self._min_crop_area = min_crop_area
    self._process = process
    self._processes = processes
    self._fast_crops = fast_crops
    self._shares = [source.num_examples // processes for source in sources]
    self.num_examples = processes * sum(self._shares)

  def checksum(self) -> int:
    """The number of images, by which processes see whether they have the same; the images are not
    read for it.
    """
    return self.num_examples

  def batches(
    self, key: Sequence[int], epoch: int, first: int, batch_size: int
  ) -> Generator[Batch, None, None]:
    """This process's share of the batches of an epoch.

    Args:
      key: whole numbers in 0..2^32-1, the same for the whole run and in every process.
      epoch: number of the epoch from 0.
      first: number of the first batch within the epoch.
      batch_size: images in a global batch; a multiple of the number of processes.

    Yields:
      uint8 `[b, H, W, 3]` and int32 `[b]` with b = batch_size // processes; the incomplete batch at
      the end of the epoch is left out.

    Raises:
      UserError: an image is missing or damaged.
    """
    tf, _ = import_tensorflow()
    size = batch_size // self._processes
    crops_seed = int(self._random(key, epoch, "crops").randint(2**63 - 1))

    remote = any(files.is_address(source.where) for source in self._sources)
    read = _read_through_python if remote else _read

    @tf.autograph.experimental.do_not_convert  # there is no control flow in Python to convert
    def decode(index: Any, element: Any) -> Any:
      encoded, place, label = element
      place_in_epoch = index * self._processes + self._process
      image = random_resized_crop(
        read(encoded, place),
        tf.stack([crops_seed, place_in_epoch]),
        self.image_size[0],
        self._min_crop_area,
        self._fast_crops,
      )
      return index, image, tf.cast(label, tf.int32)

    elements = self._elements(key, epoch, first * size).enumerate(first * size)
    options = tf.data.Options()
    options.deterministic = True
    decoded = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    if all(isinstance(source, FileSource) for source in self._sources):
      # Left out, and missed below: TensorFlow prints notices of the errors that it raises. Records
      # could get lost before they are numbered, so theirs are raised.
      decoded = decoded.ignore_errors()
    decoded = decoded.batch(size, drop_remainder=True)
    iterator = decoded.prefetch(_BATCHES_AHEAD).with_options(options).as_numpy_iterator()
    for number in range(first, self.num_examples // batch_size):
      try:
        places, images, labels = next(iterator)
      except StopIteration:
        reason = "fewer images than announced"
        raise UserError(self._blame(key, epoch, number * size, size, decode, reason)) from None
      except tf.errors.OpError as error:
        reason = op_reason(error)
        raise UserError(self._blame(key, epoch, number * size, size, decode, reason)) from error
      if places[0] != number * size or places[-1] != (number + 1) * size - 1:
        reason = "an image could not be read at first"
        raise UserError(self._blame(key, epoch, number * size, size, decode, reason))
      check_labels(labels, self.num_classes, self._where)
      yield images, labels

  @property
  def _where(self) -> str:
    return " and ".join(source.where for source in self._sources)

  def _random(self, key: Sequence[int], epoch: int, name: str) -> np.random.RandomState:
    """A named random stream of an epoch; see `apr_jax.keys`."""
    # RandomState, because NumPy promises that its stream never changes: a later version continues
    # the run.
    return np.random.RandomState([*key, epoch, zlib.crc32(name.encode())])

  def _elements(self, key: Sequence[int], epoch: int, start: int) -> Any:
    """This process's elements of the epoch from place `start` on, not yet decoded."""
    tf, _ = import_tensorflow()
    chosen = np.repeat(np.arange(len(self._sources)), self._shares)
    if len(self._sources) > 1:
      chosen = self._random(key, epoch, f"mixture of process {self._process}").permutation(chosen)
    passed = np.bincount(chosen[:start], minlength=len(self._sources))
    parts = [
      source.examples(
        self._random(key, epoch, f"source {number}"),
        self._process,
        self._processes,
        int(passed[number]),
      )
      for number, source in enumerate(self._sources)
    ]
    if len(parts) == 1:
      return parts[0]
    return tf.data.Dataset.choose_from_datasets(
      parts, tf.data.Dataset.from_tensor_slices(chosen[start:]), stop_on_empty_dataset=True
    )

  def _blame(
    self,
    key: Sequence[int],
    epoch: int,
    start: int,
    size: int,
    decode: Callable[[Any, Any], Any],
    reason: str,
  ) -> str:
    """Which of the images of a batch it was that failed: the elements once more, one by one."""
    tf, _ = import_tensorflow()
    with without_notices():
      try:
        for index, element in self._elements(key, epoch, start).enumerate(start).take(size):
          try:
            decode(index, element)
          except tf.errors.OpError as found:
            place = element[1].numpy().decode()
            return f"{place}: cannot be read as an image ({op_reason(found)}); repair or remove it"
      except tf.errors.OpError as found:
        reason = op_reason(found)
    remedy = "prepare the data set again"
    if files.is_address(self._where):
      remedy = f"let TensorFlow read the bucket, or {remedy}"
    return f"{self._where}: the files are damaged ({reason}); {remedy}"


def _read(encoded: Any, place: Any) -> Any:
  """The bytes of an element's image."""
  tf, _ = import_tensorflow()
  return tf.cond(tf.strings.length(encoded) > 0, lambda: encoded, lambda: tf.io.read_file(place))


def _read_through_python(encoded: Any, place: Any) -> Any:
  """The same, of files that may lie in an object store: TensorFlow's own client of those has other
  credentials than ours, and knows no emulator.
  """
  tf, _ = import_tensorflow()

  def read(place: Any) -> bytes:  # bytes, or in eager execution an array of them
    with files.open_binary(np.asarray(place).item().decode()) as file:
      return file.read()

  return tf.cond(
    tf.strings.length(encoded) > 0,
    lambda: encoded,
    lambda: tf.ensure_shape(tf.numpy_function(read, [place], tf.string), []),
  )

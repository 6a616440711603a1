"""Where the encoded images of a stream come from: image files, or the records of TFDS.

A source gives each epoch in another order, which its random numbers alone decide. Its elements are
tensors:

    encoded   string: the bytes of the image, empty where they are still to be read from the file
              `place`
    place     string: the path of the file, or the folder, split and number of the record; names it
              in messages
    label     int64
"""

from typing import Any, Protocol

import numpy as np

from apr_jax.data.array_data import limited
from apr_jax.data.folder import ImageFiles
from apr_jax.data.lazy_tensorflow import import_tensorflow
from apr_jax.data.tfds_reader import PreparedSplit

# Files of records that are read in turns, and how many records at a turn: more mix better, and seek
# more.
_FILES_AT_ONCE, _RECORDS_AT_A_TIME = 16, 16


class Source(Protocol):
  """Where the encoded images of an epoch come from.

  Attributes:
    num_examples: of an epoch.
    where: names the source in messages.
  """

  num_examples: int
  where: str

  def examples(
    self, random: np.random.RandomState, process: int, processes: int, start: int
  ) -> Any:
    """One process's share of an epoch.

    Args:
      random: decides the order; the same in every process.
      process, processes: this process and their number.
      start: leave out the first so many elements of the share.

    Returns:
      a tf.data.Dataset of the elements [start, num_examples // processes) of the share. The shares
      are disjoint.
    """


class FileSource:
  """Image files, all of them permuted in each epoch.

  Of P processes the i-th takes the places i, i + P, i + 2P, ... of that order: the global batches
  hold the same images on any number of processes.

  Args:
    files: what they are.
    limit: use the first so many; 0 = all.

  Raises:
    UserError: there are fewer files than the limit.
  """

  def __init__(self, files: ImageFiles, limit: int = 0):
    self.where = files.where
    self.num_examples = limited(len(files.paths), limit, files.where)
    self._paths = files.paths[: self.num_examples]
    self._labels = files.labels[: self.num_examples]

  def examples(
    self, random: np.random.RandomState, process: int, processes: int, start: int
  ) -> Any:
    tf, _ = import_tensorflow()
    share = self.num_examples // processes
    order = random.permutation(self.num_examples)[process::processes][:share]
    paths, labels = tf.constant(self._paths), tf.constant(self._labels, tf.int64)
    return tf.data.Dataset.from_tensor_slices(order[start:]).map(
      lambda index: (tf.constant(b""), paths[index], labels[index])
    )


class RecordSource:
  """The records of a TFDS data set: its files in a drawn order, and a buffer of records to draw
  from.

  Of P processes the i-th reads the i-th of P equal and contiguous parts of the split, in every
  epoch; up to P − 1 records at its end are left out.

  Args:
    prepared: the split.
    limit: use the first so many records; 0 = all.
    buffer: records to draw from. They are held encoded, and the first batch of an epoch waits until
      it is full.

  Raises:
    UserError: there are fewer records than the limit.
  """

  def __init__(self, prepared: PreparedSplit, limit: int, buffer: int):
    self.where = prepared.where
    self.num_examples = limited(prepared.num_examples, limit, prepared.name)
    self._prepared, self._buffer = prepared, buffer

  def examples(
    self, random: np.random.RandomState, process: int, processes: int, start: int
  ) -> Any:
    tf, tfds = import_tensorflow()
    found = self._prepared
    files_seed, buffer_seed = map(int, random.randint(2**31 - 1, size=2))
    share = self.num_examples // processes
    records = found.builder.as_dataset(
      split=f"{found.split}[{process * share}:{(process + 1) * share}]",
      shuffle_files=True,
      decoders={found.image_key: tfds.decode.SkipDecoding()},
      read_config=tfds.ReadConfig(
        shuffle_seed=files_seed,
        interleave_cycle_length=_FILES_AT_ONCE,
        interleave_block_length=_RECORDS_AT_A_TIME,
        try_autocache=False,
        add_tfds_id=True,
        enable_ordering_guard=False,
      ),
    )
    prefix = f"{found.where}, record "
    elements = records.map(
      lambda record: (
        record[found.image_key],
        tf.strings.join([prefix, record["tfds_id"]]),
        record[found.label_key],
      )
    )
    return elements.shuffle(self._buffer, seed=buffer_seed, reshuffle_each_iteration=False).skip(
      start
    )

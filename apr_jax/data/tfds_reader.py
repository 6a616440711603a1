"""Data sets of TensorFlow Datasets (TFDS): opened where they are prepared, and decoded into memory
once.
"""

import contextlib
import dataclasses
import difflib
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from absl import logging

from apr_jax import files
from apr_jax.data.array_data import ArrayData, check_labels
from apr_jax.data.lazy_tensorflow import import_tensorflow
from apr_jax.data.names import KINDS
from apr_jax.data.resizing import stack_images
from apr_jax.errors import UserError, one_line, unknown

COMMON = (
  "cifar10",
  "cifar100",
  "cifar10_corrupted/gaussian_noise_3",
  "svhn_cropped",
  "mnist",
  "fashion_mnist",
  "imagenet2012",
)
# Without a config TFDS silently serves the first one: a single corruption in place of the
# benchmark.
_CONFIG_REQUIRED = {
  "cifar10_corrupted": "cifar10_corrupted/gaussian_noise_3",
  "imagenet2012_corrupted": "imagenet2012_corrupted/gaussian_noise_3",
}
# Their "test" split, where it is prepared, has no labels.
_UNLABELLED_TEST = ("imagenet2012", "places365_small")
_BATCH = 1000


@dataclasses.dataclass(frozen=True)
class PreparedSplit:
  """One split of a TFDS image classification data set that is prepared on disk.

  Attributes:
    name: of the data set, as the user gave it.
    builder: TFDS's.
    split: TFDS's name of the split.
    image_key, label_key: names of the image and of the label among the features.
    where: folder and split, for messages.
  """

  name: str
  builder: Any
  split: str
  image_key: str
  label_key: str
  where: str

  @property
  def num_examples(self) -> int:
    return self.builder.info.splits[self.split].num_examples

  @property
  def classes(self) -> tuple[str, ...]:
    """The names of the labels, in their order; "0", "1", ... where the data set has none."""
    label = self.builder.info.features[self.label_key]
    return tuple(label.int2str(number) for number in range(label.num_classes))


def open_split(name: str, split: str, *, data_dir: str, download: bool) -> PreparedSplit:
  """Opens one split of a TFDS image classification data set.

  Args:
    name: "name", "name/config", either with ":version".
    split: "train" or "test"; "test" is the "validation" split of a set that has no "test" split, or
      one without labels.
    data_dir: the TFDS folder; "" is TFDS' own default (~/tensorflow_datasets).
    download: whether to download and prepare the data set when it is not there.

  Raises:
    UserError: TFDS is not installed, the name is unknown, the data set is not prepared or not an
      image classification set.
  """
  tf, tfds = import_tensorflow(
    f"data set {name!r} is none of {', '.join(sorted(KINDS))} and would be read with TensorFlow "
    f"Datasets, which cannot be imported",
    "or put it into data.data_dir as NAME.npz or class folders NAME/train/CLASS",
  )
  builder = _builder(tf, tfds, name, os.path.expanduser(data_dir), download)
  folder = str(builder.data_path)
  use_validation = "test" not in builder.info.splits or builder.name in _UNLABELLED_TEST
  stored = "validation" if split == "test" and use_validation else split
  if stored not in builder.info.splits:
    raise UserError(
      f"{folder}: has no {split!r} split, only {', '.join(sorted(builder.info.splits))}; "
      f"choose another data set"
    )
  image_key, label_key = _feature_keys(tfds, builder.info.features, folder)
  return PreparedSplit(name, builder, stored, image_key, label_key, f"{folder}, split {stored!r}")


def load_tfds(
  name: str,
  split: str,
  *,
  data_dir: str,
  image_size: int,
  resize: int,
  download: bool,
  sample: int = 0,
) -> ArrayData:
  """One split of a TFDS image classification data set, in stored order.

  Args:
    name, split, data_dir, download: as of `open_split`.
    image_size, resize: as of `resizing.stack_images`.
    sample: only the first so many, where there are more; 0 = all.

  Returns:
    images uint8 `[N, H, W, 3]`; labels of the feature "label", or of the only ClassLabel.

  Raises:
    UserError: as `open_split`; the data set is damaged, or too large for memory.
  """
  found = open_split(name, split, data_dir=data_dir, download=download)
  count = min(sample, found.num_examples) if sample else found.num_examples
  tf, tfds = import_tensorflow()
  features = found.builder.info.features
  # Only images of one static shape can be batched; batches read several times faster.
  batch = _BATCH if None not in features[found.image_key].shape else 1
  labels: list[int] = []

  def named_images(builder: Any) -> Iterator[tuple[str, np.ndarray]]:
    # one file after the other
    read_config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    examples = builder.as_dataset(
      split=f"{found.split}[:{count}]", shuffle_files=False, read_config=read_config
    ).map(lambda example: (example[found.image_key], example[found.label_key]))
    for images, batch_labels in examples.batch(batch).as_numpy_iterator():
      for image, label in zip(images, batch_labels):
        labels.append(label)
        yield f"{found.where}, image {len(labels) - 1}", image

  try:
    with _on_disk(tfds, found) as builder:
      images = stack_images(named_images(builder), count, image_size, found.where, resize)
  except tf.errors.OpError as error:
    raise UserError(
      f"{found.where}: the files are damaged ({op_reason(error)}); delete the folder and prepare "
      f"the data set again"
    ) from error
  all_labels = np.array(labels)
  num_classes = features[found.label_key].num_classes
  check_labels(all_labels, num_classes, found.where)
  return ArrayData(images, all_labels.astype(np.int32), num_classes, name)


@contextlib.contextmanager
def _on_disk(tfds: Any, found: PreparedSplit) -> Iterator[Any]:
  """The builder of a split whose files are on disk. Those of an object store are copied here: who
  reads a split whole reads it once, and TensorFlow's own client of stores has credentials of its
  own. A stream, which reads longer than a disk holds, does use that client.
  """
  folder = str(found.builder.data_path)
  if not files.is_address(folder):
    yield found.builder
    return
  with tempfile.TemporaryDirectory() as here:
    for name, is_dir in files.entries(folder):
      of_another_split = re.search(r"-of-\d+$", name) and f"-{found.split}." not in name
      if not is_dir and not of_another_split:
        files.copy_here(f"{folder}/{name}", pathlib.Path(here) / name)
    yield tfds.builder_from_directory(here)


def op_reason(error: Any) -> str:
  """What a TensorFlow operation complains of, in one line without the names of operations and graph
  nodes.
  """
  return one_line(error.message.rpartition("}} ")[2].partition(" [Op:")[0])


def _builder(tf: Any, tfds: Any, name: str, data_dir: str, download: bool) -> Any:
  """The TFDS builder of a data set that is prepared on disk."""
  base = name.split("/")[0].split(":")[0]
  config = name.partition("/")[2]
  if base in _CONFIG_REQUIRED and (not config or config[0].isdigit()):
    raise UserError(
      f"data set {name!r}: TFDS would silently serve its first config (such as brightness_1); "
      f"name the config, as in {_CONFIG_REQUIRED[base]}"
    )
  built_in = tfds.list_builders(with_community_datasets=False)
  prepared_by_user = base and files.is_dir(os.path.join(data_dir, base)) if data_dir else False
  if base not in built_in and not prepared_by_user:
    near = difflib.get_close_matches(base, built_in, n=1, cutoff=0.75)
    raise UserError(unknown(name, "data set", {*KINDS, *COMMON, *near}))
  if data_dir and not download and not files.is_dir(data_dir):
    raise UserError(
      f"{data_dir}: no such folder; set data.data_dir to the folder that holds {base!r}, "
      "or download it there with --config.data.download=true"
    )
  verbosity = logging.get_verbosity()
  # it warns of every folder that is not prepared; the error below says so
  logging.set_verbosity(logging.ERROR)
  try:
    builder = tfds.builder(name, data_dir=data_dir or None)
    prepared = builder.is_prepared()
  # It parses the name and whatever files it finds; each of its parsers raises exceptions of its own
  # kind.
  except Exception as error:
    # TFDS repeats its arguments before the reason, and may add the names of all its data sets after
    # it.
    reason = str(error).rpartition('}": ')[2].partition("Available datasets:")[0]
    raise UserError(
      f"data set {name!r} in {data_dir or 'the default TFDS folder'} cannot be opened: "
      f"{one_line(reason)}; correct the config or version, or prepare the data set again"
    ) from error
  finally:
    logging.set_verbosity(verbosity)
  if not prepared:
    if not download:
      raise UserError(
        f"{builder.data_path}: data set {name!r} is not prepared there; set data.data_dir to the "
        "folder that holds it, or download it with --config.data.download=true"
      )
    _download(builder, name)
  return builder


def _download(builder: Any, name: str) -> None:
  try:
    builder.download_and_prepare()
  # A download fails in as many ways as there are hosts and archive formats; none of them is a
  # defect of ours.
  except Exception as error:
    raise UserError(
      f"data set {name!r} cannot be downloaded to {builder.data_path}: "
      f"{type(error).__name__}: {one_line(error)}; check the network and the disk, or prepare it "
      f"with TFDS"
    ) from error


def _feature_keys(tfds: Any, features: Mapping[str, Any], folder: str) -> tuple[str, str]:
  """The names of the image and of the label among the features."""
  image = _only(features, "image", tfds.features.Image, folder)
  label = _only(features, "label", tfds.features.ClassLabel, folder)
  return image, label


def _only(features: Mapping[str, Any], preferred: str, kind: type, folder: str) -> str:
  keys = [key for key, feature in features.items() if isinstance(feature, kind)]
  if preferred in keys:
    return preferred
  if len(keys) != 1:
    raise UserError(
      f"{folder}: needs a {kind.__name__} feature {preferred!r} or exactly one of that kind, "
      f"found {', '.join(keys) or 'none'}; choose an image classification data set"
    )
  return keys[0]

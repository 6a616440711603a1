"""Data sets of TensorFlow Datasets (TFDS), decoded into memory once.

TensorFlow is imported inside the functions only, and never gets to see a GPU: it would reserve memory JAX needs.
"""

import contextlib
import difflib
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np

from apr_jax.data.spec import ArrayData, check_labels
from apr_jax.data.stack import stack_images
from apr_jax.errors import UserError, one_line, unknown

COMMON = ("cifar10", "cifar100", "cifar10_corrupted/gaussian_noise_3", "svhn_cropped", "mnist", "fashion_mnist",
          "imagenet2012")
# Without a config TFDS silently serves the first one: a single corruption in place of the benchmark.
_CONFIG_REQUIRED = {
    "cifar10_corrupted": "cifar10_corrupted/gaussian_noise_3",
    "imagenet2012_corrupted": "imagenet2012_corrupted/gaussian_noise_3",
}
_UNLABELLED_TEST = ("places365_small",)
_BATCH = 1000


def load_tfds(
    name: str, split: str, *, data_dir: str, image_size: int, download: bool, sources: Iterable[str]) -> ArrayData:
  """One split of a TFDS image classification data set, in stored order.

  Args:
    name: "name", "name/config", either with ":version".
    split: "train" or "test"; "test" reads the "validation" split of a set that has no "test" split, or one without
      labels.
    data_dir: the TFDS folder; "" is TFDS' own default (~/tensorflow_datasets).
    image_size: side to resize and crop to in pixels; 0 keeps the stored size.
    download: whether to download and prepare the data set when it is not there.
    sources: the names that are not TFDS', for the message about an unknown name.

  Returns:
    images uint8 [N, H, W, 3]; labels of the feature "label", or of the only ClassLabel.

  Raises:
    UserError: TFDS is not installed, the name is unknown, the data set is not prepared, damaged, not an image
      classification set, or too large for memory.
  """
  tf, tfds = _import(name, sources)
  builder = _builder(tf, tfds, name, os.path.expanduser(data_dir), download, sources)
  folder = str(builder.data_path)
  use_validation = "test" not in builder.info.splits or builder.info.name in _UNLABELLED_TEST
  stored = "validation" if split == "test" and use_validation else split
  if stored not in builder.info.splits:
    raise UserError(
        f"{folder}: has no {split!r} split, only {', '.join(sorted(builder.info.splits))}; choose another data set")
  features = builder.info.features
  image_key, label_key = _feature_keys(tfds, features, folder)
  read_config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)  # one file after the other
  examples = builder.as_dataset(split=stored, shuffle_files=False, read_config=read_config).map(
      lambda example: (example[image_key], example[label_key]))
  # Only images of one static shape can be batched; batches read several times faster.
  examples = examples.batch(_BATCH if None not in features[image_key].shape else 1)
  where = f"{folder}, split {stored!r}"
  labels = []

  def named_images() -> Iterator[tuple[str, np.ndarray]]:
    for images, batch_labels in examples.as_numpy_iterator():
      for image, label in zip(images, batch_labels):
        labels.append(label)
        yield f"{where}, image {len(labels) - 1}", image

  try:
    images = stack_images(named_images(), builder.info.splits[stored].num_examples, image_size, where)
  except tf.errors.OpError as error:
    reason = error.message.rpartition("}} ")[2]  # without the name of a graph node
    raise UserError(
        f"{where}: the files are damaged ({one_line(reason)}); delete the folder and prepare the data set again"
    ) from error
  labels = np.array(labels)
  num_classes = features[label_key].num_classes
  check_labels(labels, num_classes, where)
  return ArrayData(images, labels.astype(np.int32), num_classes, name)


@contextlib.contextmanager
def _without_notices():
  """Keeps what TensorFlow's C++ code prints at start-up, at any log level, from burying the one line of an error."""
  sys.stderr.flush()
  kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  try:
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(nowhere)


def _import(name: str, sources: Iterable[str]):
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
  try:
    with _without_notices():
      import tensorflow as tf
      tf.config.set_visible_devices([], "GPU")
      import tensorflow_datasets as tfds
  except ImportError as error:
    raise UserError(
        f"data set {name!r} is none of {', '.join(sorted(sources))} and would be read with TensorFlow Datasets, "
        f"which cannot be imported ({one_line(error)}): pip install apr_jax[tensorflow], or save it as npz arrays"
    ) from error
  return tf, tfds


def _builder(tf, tfds, name: str, data_dir: str, download: bool, sources: Iterable[str]):
  """The TFDS builder of a data set that is prepared on disk."""
  base = name.split("/")[0].split(":")[0]
  config = name.partition("/")[2]
  if base in _CONFIG_REQUIRED and (not config or config[0].isdigit()):
    raise UserError(
        f"data set {name!r}: TFDS would silently serve its first config (such as brightness_1); "
        f"name the config, as in {_CONFIG_REQUIRED[base]}")
  built_in = tfds.list_builders(with_community_datasets=False)
  prepared_by_user = base and tf.io.gfile.isdir(os.path.join(data_dir, base)) if data_dir else False
  if base not in built_in and not prepared_by_user:
    near = difflib.get_close_matches(base, built_in, n=1, cutoff=0.75)
    raise UserError(unknown(name, "data set", {*sources, *COMMON, *near}))
  if data_dir and not download and not tf.io.gfile.isdir(data_dir):
    raise UserError(
        f"{data_dir}: no such folder; set data.data_dir to the folder that holds {base!r}, "
        "or download it there with --config.data.download=true")
  try:
    builder = tfds.builder(name, data_dir=data_dir or None)
  # It parses the name and whatever files it finds; each of its parsers raises exceptions of its own kind.
  except Exception as error:
    # TFDS repeats its arguments before the reason, and may add the names of all its data sets after it.
    reason = str(error).rpartition('}": ')[2].partition("Available datasets:")[0]
    raise UserError(
        f"data set {name!r} in {data_dir or 'the default TFDS folder'} cannot be opened: {one_line(reason)}; "
        "correct the config or version, or prepare the data set again") from error
  if not builder.is_prepared():
    if not download:
      raise UserError(
          f"{builder.data_path}: data set {name!r} is not prepared there; set data.data_dir to the folder that "
          "holds it, or download it with --config.data.download=true")
    _download(builder, name)
  return builder


def _download(builder, name: str) -> None:
  try:
    builder.download_and_prepare()
  # A download fails in as many ways as there are hosts and archive formats; none of them is a defect of ours.
  except Exception as error:
    raise UserError(
        f"data set {name!r} cannot be downloaded to {builder.data_path}: "
        f"{type(error).__name__}: {one_line(error)}; check the network and the disk, or prepare it with TFDS"
    ) from error


def _feature_keys(tfds, features, folder: str) -> tuple[str, str]:
  """The names of the image and of the label among the features."""
  image = _only(features, "image", tfds.features.Image, folder)
  label = _only(features, "label", tfds.features.ClassLabel, folder)
  return image, label


def _only(features, preferred: str, kind: type, folder: str) -> str:
  keys = [key for key, feature in features.items() if isinstance(feature, kind)]
  if preferred in keys:
    return preferred
  if len(keys) != 1:
    raise UserError(
        f"{folder}: needs a {kind.__name__} feature {preferred!r} or exactly one of that kind, "
        f"found {', '.join(keys) or 'none'}; choose an image classification data set")
  return keys[0]

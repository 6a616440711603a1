"""TFDS data sets: one written here, and the slices of real ones where they are at hand."""

import builtins
import json
import shutil

import numpy as np
import pytest

from apr_jax import data
from apr_jax.data import resizing, tfds_reader
from apr_jax.errors import UserError
from tests import lazy

tf, tfds = map(lazy.needed, ("tensorflow", "tensorflow_datasets"))

RNG = np.random.RandomState(0)
IMAGES = RNG.randint(0, 256, (7, 6, 8, 3), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])


def write(root, name, features, splits):
  """Writes {split: {feature: array}} as a prepared TFDS data set."""
  tfds.dataset_builders.store_as_tfds_dataset(
    name=name,
    version="1.0.0",
    features=tfds.features.FeaturesDict(features),
    data_dir=str(root),
    split_datasets={
      split: tf.data.Dataset.from_tensor_slices(columns) for split, columns in splits.items()
    },
    disable_shuffling=True,
  )
  return str(root)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
  features = {
    "image": tfds.features.Image(shape=(6, 8, 3), encoding_format="png"),
    "label": tfds.features.ClassLabel(num_classes=3),
  }
  splits = {
    "train": {"image": IMAGES, "label": LABELS},
    "validation": {"image": IMAGES[:2], "label": LABELS[:2]},
  }
  return write(tmp_path_factory.mktemp("tfds"), "toy_set", features, splits)


def refusal(name, split="train", **kwargs):
  with pytest.raises(UserError) as error:
    data.load(name, split, **kwargs)
  assert "\n" not in str(error.value)
  return str(error.value)


def test_content_in_stored_order(toy):
  train = data.load("toy_set", "train", data_dir=toy)
  np.testing.assert_array_equal(train.images, IMAGES)
  np.testing.assert_array_equal(train.labels, LABELS)
  assert train.num_classes == 3 and train.name == "toy_set"


def test_validation_stands_in_for_a_missing_test_split(toy):
  np.testing.assert_array_equal(data.load("toy_set", "test", data_dir=toy).images, IMAGES[:2])


def test_imagenets_test_split_has_no_labels_and_is_never_read(tmp_path, monkeypatch):
  assert "imagenet2012" in tfds_reader._UNLABELLED_TEST
  monkeypatch.setattr(tfds_reader, "_UNLABELLED_TEST", ("hidden_set",))
  features = {
    "image": tfds.features.Image(shape=(6, 8, 3), encoding_format="png"),
    "label": tfds.features.ClassLabel(num_classes=3),
  }
  splits = {
    "test": {"image": IMAGES, "label": -np.ones(7, np.int64)},
    "validation": {"image": IMAGES[:2], "label": LABELS[:2]},
  }
  root = write(tmp_path, "hidden_set", features, splits)
  np.testing.assert_array_equal(data.load("hidden_set", "test", data_dir=root).labels, LABELS[:2])


def test_image_size(toy):
  resized = data.load("toy_set", "train", data_dir=toy, image_size=4)
  np.testing.assert_array_equal(resized.images[3], resizing.resize_crop(IMAGES[3], 4))
  larger = data.load("toy_set", "train", data_dir=toy, image_size=4, resize=5)
  np.testing.assert_array_equal(larger.images[3], resizing.resize_crop(IMAGES[3], 4, 5))


def test_grey_images_of_varying_size_and_a_label_of_another_name(tmp_path):
  features = {
    "image": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
    "kind": tfds.features.ClassLabel(num_classes=4),
  }
  grey = IMAGES[..., :1]
  root = write(tmp_path, "grey_set", features, {"train": {"image": grey, "kind": LABELS}})
  train = data.load("grey_set", "train", data_dir=root)
  np.testing.assert_array_equal(train.images, np.repeat(grey, 3, axis=-1))
  np.testing.assert_array_equal(train.labels, LABELS)
  assert train.num_classes == 4


def test_not_a_classification_set(tmp_path):
  root = write(
    tmp_path,
    "odd_set",
    {"image": tfds.features.Image(shape=(6, 8, 3)), "value": np.int64},
    {"train": {"image": IMAGES, "value": LABELS}},
  )
  message = refusal("odd_set", data_dir=root)
  assert "ClassLabel" in message and "odd_set" in message


def test_too_large_for_memory(toy, monkeypatch):
  monkeypatch.setattr(resizing, "MAX_BYTES", 7 * 6 * 8 * 3 - 1)
  message = refusal("toy_set", data_dir=toy)
  assert "7 images of 6x8" in message and "GiB" in message


@pytest.mark.parametrize(
  "damage",
  [
    lambda content: content[: len(content) // 2],
    lambda content: content[:60] + b"x" * 40 + content[100:],
    lambda content: b"",
  ],
)
def test_damaged_records(toy, damage, tmp_path):
  root = tmp_path / "copy"
  shutil.copytree(toy, root)
  (file,) = root.glob("toy_set/1.0.0/*train*tfrecord*")
  file.write_bytes(damage(file.read_bytes()))
  assert str(root / "toy_set/1.0.0") in refusal("toy_set", data_dir=str(root))


def test_missing_records(toy, tmp_path):
  root = tmp_path / "copy"
  shutil.copytree(toy, root)
  (file,) = root.glob("toy_set/1.0.0/*train*tfrecord*")
  file.unlink()
  assert str(root / "toy_set/1.0.0") in refusal("toy_set", data_dir=str(root))


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_damaged_description(toy, file, tmp_path):
  root = tmp_path / "copy"
  shutil.copytree(toy, root)
  (root / "toy_set/1.0.0" / file).write_text("{")
  message = refusal("toy_set", data_dir=str(root))
  assert "toy_set" in message and str(root) in message


def test_fewer_records_than_described(toy, tmp_path):
  root = tmp_path / "copy"
  shutil.copytree(toy, root)
  info_file = root / "toy_set/1.0.0/dataset_info.json"
  info = json.loads(info_file.read_text())
  split = next(s for s in info["splits"] if s["name"] == "train")
  split["shardLengths"] = ["9"]
  info_file.write_text(json.dumps(info))
  message = refusal("toy_set", data_dir=str(root))
  assert str(root) in message


def test_the_test_images_of_places_have_no_labels_so_its_validation_images_are_read(
  tmp_path, monkeypatch
):
  features = {
    "image": tfds.features.Image(shape=(6, 8, 3), encoding_format="png"),
    "label": tfds.features.ClassLabel(num_classes=3),
  }
  splits = {
    "test": {"image": IMAGES, "label": np.full(7, -1)},
    "validation": {"image": IMAGES[:2], "label": LABELS[:2]},
  }
  root = write(tmp_path, "places365_small", features, splits)
  monkeypatch.setattr(
    "tensorflow_datasets.builder",
    lambda name, data_dir: tfds.builder_from_directory(f"{root}/{name}/1.0.0"),
  )
  test = data.load("places365_small", "test", data_dir=root)
  assert test.labels.tolist() == LABELS[:2].tolist()


def test_unknown_name_is_answered_briefly():
  message = refusal("cifar1O", data_dir="")
  assert "did you mean 'cifar10'" in message and "digits" in message and len(message) < 400
  assert "did you mean 'digits'" in refusal("digit")
  assert "did you mean 'mnist_corrupted'" in refusal("mnist_corupted")
  assert "Known:" in refusal("huggingface:mnist") and "Known:" in refusal("")


def test_corrupted_cifar_without_config_is_refused():
  for name in ("cifar10_corrupted", "cifar10_corrupted:1.0.0", "cifar10_corrupted/1.0.0"):
    message = refusal(name)
    assert "brightness_1" in message and "cifar10_corrupted/gaussian_noise_3" in message


def test_not_prepared(tmp_path):
  message = refusal("cifar10", data_dir=str(tmp_path))
  assert str(tmp_path / "cifar10") in message and "--config.data.download=true" in message
  message = refusal("cifar10", data_dir=str(tmp_path / "none"))
  assert str(tmp_path / "none") in message and "--config.data.download=true" in message


def test_unknown_config_and_version(tmp_path):
  assert "gaussian_noise_3" in refusal("cifar10_corrupted/gausian_noise_3", data_dir=str(tmp_path))
  assert "9.9.9" in refusal("cifar10:9.9.9", data_dir=str(tmp_path))


def test_failed_download(tmp_path, monkeypatch):
  def no_network(*_, **__):
    raise ConnectionError("no\nroute to host")

  monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", no_network)
  message = refusal("cifar10", data_dir=str(tmp_path), download=True)
  assert "no route to host" in message and str(tmp_path) in message


def test_without_tensorflow(monkeypatch):
  real_import = builtins.__import__

  def no_tensorflow(name, *args, **kwargs):
    if name.split(".")[0] == "tensorflow":
      raise ImportError("No module named 'tensorflow'")
    return real_import(name, *args, **kwargs)

  monkeypatch.setattr(builtins, "__import__", no_tensorflow)
  message = refusal("cifar10")
  assert "pip install -e '.[tensorflow]'" in message and "npz" in message


def test_tensorflow_sees_no_gpu(toy):
  data.load("toy_set", "train", data_dir=toy)
  assert tf.config.get_visible_devices("GPU") == []


def test_cifar10_slice(real_data):
  train = data.load("cifar10", "train", data_dir=str(real_data))
  test = data.load("cifar10", "test", data_dir=str(real_data))
  assert train.images.shape == (6000, 32, 32, 3) and test.images.shape == (1000, 32, 32, 3)
  builder = tfds.builder("cifar10", data_dir=str(real_data))
  for index, example in enumerate(
    tfds.as_numpy(builder.as_dataset(split="test[:20]", shuffle_files=False))
  ):
    np.testing.assert_array_equal(test.images[index], example["image"])
    assert test.labels[index] == example["label"]


def test_corrupted_images_keep_the_label_of_their_clean_image(real_data):
  """TFDS stores the two sets in different orders, so they must be matched by content."""
  clean = data.load("cifar10", "test", data_dir=str(real_data))
  noisy = data.load("cifar10_corrupted/gaussian_noise_1", "test", data_dir=str(real_data))
  distance = [
    np.square(clean.images - image.astype(np.float32)).mean((1, 2, 3)) for image in noisy.images
  ]
  nearest = np.argmin(distance, axis=1)
  assert len(set(nearest.tolist())) == len(noisy.labels) == 60
  np.testing.assert_array_equal(noisy.labels, clean.labels[nearest])
  np.testing.assert_allclose(np.median(np.sqrt(np.min(distance, axis=1))), 0.04 * 255, rtol=0.02)
  assert "has no 'train' split" in refusal(
    "cifar10_corrupted/gaussian_noise_1", "train", data_dir=str(real_data)
  )


def test_imagenet_slice_needs_a_size(real_data):
  assert "data.image_size" in refusal("imagenet2012", "test", data_dir=str(real_data))
  test = data.load("imagenet2012", "test", data_dir=str(real_data), image_size=32)
  assert test.images.shape == (15, 32, 32, 3) and test.num_classes == 1000

"""Data sets in a store are those on disk, bit by bit."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from apr_jax import data, files
from apr_jax.data.imagenet_c import ImageNetC
from apr_jax.data.published_corruptions import PublishedCorruptions
from apr_jax.data.sources import open_stream
from apr_jax.errors import UserError
from apr_jax.evaluation import corruption_sources
from apr_jax.evaluation.ood_protocols import _is_prepared
from apr_jax.evaluation.settings import check


def copy_into(bucket, folder: pathlib.Path):
  for file in folder.rglob("*"):
    if file.is_file():
      files.write_bytes(files.path(bucket) / str(file.relative_to(folder)), file.read_bytes())


def same(first, second):
  np.testing.assert_array_equal(first.images, second.images)
  np.testing.assert_array_equal(first.labels, second.labels)
  assert first.num_classes == second.num_classes


@pytest.fixture
def arrays(tmp_path):
  random = np.random.default_rng(0)
  values = {}
  for split in ("train", "test"):
    values[f"{split}_images"] = random.integers(0, 256, (9, 6, 6, 3), dtype=np.uint8)
    values[f"{split}_labels"] = random.permutation(9) % 3
  np.savez(tmp_path / "mine.npz", **values)
  for name, value in values.items():
    (tmp_path / "npy").mkdir(exist_ok=True)
    np.save(tmp_path / "npy" / f"{name}.npy", value)
  return tmp_path


@pytest.fixture
def pictures(tmp_path):
  random = np.random.default_rng(1)
  for split in ("train", "val"):
    for name in ("ant", "bee"):
      for number in range(4):
        path = tmp_path / split / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 18, 3), dtype=np.uint8)).save(path)
  return tmp_path


def test_arrays(bucket, arrays):
  copy_into(bucket, arrays)
  for split in ("train", "test"):
    same(data.load(f"npz:{bucket}/mine.npz", split), data.load(f"npz:{arrays}/mine.npz", split))
    same(data.load(f"npy:{bucket}/npy", split), data.load(f"npy:{arrays}/npy", split))
    same(data.load("mine", split, data_dir=bucket), data.load("mine", split, data_dir=str(arrays)))
  with pytest.raises(UserError, match=f"{bucket}/none.npz: no such file"):
    data.load(f"npz:{bucket}/none.npz", "test")
  files.write_bytes(files.path(bucket) / "npy" / "test_images.npy", b"\x93NUMPY")
  with pytest.raises(UserError, match="cannot be read as a NumPy array file"):
    data.load(f"npy:{bucket}/npy", "test")


def test_class_folders_and_images(bucket, pictures):
  copy_into(bucket, pictures)
  for split in ("train", "test"):
    same(
      data.load(f"folder:{bucket}", split, image_size=8),
      data.load(f"folder:{pictures}", split, image_size=8),
    )
  same(
    data.load(f"images:{bucket}", "test", image_size=8),
    data.load(f"images:{pictures}", "test", image_size=8),
  )
  with pytest.raises(UserError, match="has no images"):
    data.load(f"images:{bucket}/none", "test")


def test_a_stream_of_class_folders(bucket, pictures):
  pytest.importorskip("tensorflow_datasets")
  copy_into(bucket, pictures)

  def batches(where, **more):
    stream = open_stream(
      f"folder:{where}", image_size=8, shuffle_buffer=4, min_crop_area=0.5, **more
    )
    return list(stream.batches([1, 2], 0, 0, 4))

  for given in ({}, {"extra_folders": ("train",), "data_dir": str(pictures)}):
    for (images, labels), (wanted, wanted_labels) in zip(
      batches(bucket, **given), batches(pictures, **given), strict=True
    ):
      np.testing.assert_array_equal(images, wanted)
      np.testing.assert_array_equal(labels, wanted_labels)
  files.write_bytes(files.path(bucket) / "train" / "ant" / "2.png", b"damaged")
  with pytest.raises(UserError, match=f"{bucket}/train/ant/2.png: cannot be read as an image"):
    batches(bucket)


def test_a_tfds_data_set(bucket, real_data):
  pytest.importorskip("tensorflow_datasets")
  copy_into(f"{bucket}/cifar100", real_data / "cifar100")
  same(
    data.load("cifar100", "test", data_dir=bucket),
    data.load("cifar100", "test", data_dir=str(real_data)),
  )
  assert _is_prepared(files.path(bucket) / "cifar100")
  with pytest.raises(UserError, match=f"{bucket}/cifar10.*: data set 'cifar10' is not prepared"):
    data.load("cifar10", "test", data_dir=bucket)


def test_published_corruptions_are_read_by_severity(bucket, tmp_path, monkeypatch):
  random = np.random.default_rng(2)
  np.save(tmp_path / "labels.npy", np.tile(np.arange(6) % 3, 5))
  for name in ("fog", "snow"):
    np.save(tmp_path / f"{name}.npy", random.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8))
  copy_into(f"{bucket}/CIFAR-10-C", tmp_path)
  here = PublishedCorruptions(tmp_path, 3, ("fog", "snow"))
  there = PublishedCorruptions(f"{bucket}/CIFAR-10-C", 3, ("fog", "snow"))
  read = []
  original = files.read_range
  monkeypatch.setattr(
    files,
    "read_range",
    lambda place, start, end: read.append(end - start) or original(place, start, end),
  )
  for severity in (1, 5):
    same(there.load("snow", severity), here.load("snow", severity))
  assert read == [6 * 32 * 32 * 3] * 2  # and not the whole file
  found = corruption_sources.describe("cifar10", bucket)
  assert found == f"published: {bucket}/CIFAR-10-C"
  with pytest.raises(UserError, match=r"CIFAR-10-C lacks frost.npy"):
    PublishedCorruptions(f"{bucket}/CIFAR-10-C", 3, ("frost",))


def test_imagenet_c(bucket, tmp_path):
  random = np.random.default_rng(3)
  for severity in range(1, 6):
    for name in ("n01", "n02"):
      path = tmp_path / "blur" / "fog" / str(severity) / name / "a.JPEG"
      path.parent.mkdir(parents=True)
      Image.fromarray(random.integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(path)
  copy_into(bucket, tmp_path)
  (here,) = ImageNetC(tmp_path, 2, ("fog",), (8, 8)).load("fog", 4)
  (there,) = ImageNetC(bucket, 2, ("fog",), (8, 8)).load("fog", 4)
  same(there, here)


def test_a_data_folder_that_is_not_there_is_one_line(bucket):
  with pytest.raises(UserError, match=f"there is no folder {bucket}: correct --data_dir"):
    check(data_dir=bucket)

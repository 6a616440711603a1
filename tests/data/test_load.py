"""Names, splits and the data sets that need no files."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from apr_jax import data
from apr_jax.data import tfds_reader
from apr_jax.errors import UserError


def refusal(*args, **kwargs):
  with pytest.raises(UserError) as error:
    data.load(*args, **kwargs)
  assert "\n" not in str(error.value)
  return str(error.value)


def test_import_is_light():
  code = (
    "import sys; import apr_jax.data, apr_jax.data.resident; "
    "heavy = ('tensorflow', 'tensorflow_datasets', 'sklearn', 'matplotlib'); "
    "print([m for m in heavy if m in sys.modules])"
  )
  result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert result.stdout.strip() == "[]"


def test_digits_are_sklearns_scans_enlarged_by_pillow():
  scans = load_digits()
  enlarged = {}
  for scan, label in zip(scans.images, scans.target):
    grey = Image.fromarray(np.round(scan / 16 * 255).astype(np.uint8)).resize(
      (32, 32), Image.BILINEAR
    )
    enlarged.setdefault(np.asarray(grey).tobytes(), []).append(label)
  train, test = data.load("digits", "train"), data.load("digits", "test")
  assert (len(train.labels), len(test.labels)) == (1437, 360)
  assert train.num_classes == test.num_classes == 10
  for split in (train, test):
    assert np.all(split.images == split.images[..., :1])
    for image, label in zip(split.images, split.labels):
      # Each original scan is used up once, which makes the splits disjoint and complete.
      enlarged[image[..., 0].tobytes()].remove(label)
  assert not any(enlarged.values())


def test_digits_split_is_stratified_and_fixed():
  train, test = data.load("digits", "train"), data.load("digits", "test")
  share = np.bincount(test.labels) / (np.bincount(train.labels) + np.bincount(test.labels))
  np.testing.assert_allclose(share, 360 / 1797, atol=0.004)
  np.testing.assert_array_equal(test.images, data.load("digits", "test").images)


def test_photo_patches_tile_the_photographs():
  patches = data.load("photo_patches", "test")
  assert (
    patches.images.shape == (520, 32, 32, 3)
    and patches.num_classes == 1
    and not patches.labels.any()
  )
  china, flower = load_sample_images().images
  np.testing.assert_array_equal(patches.images[21], china[32:64, 32:64])
  np.testing.assert_array_equal(patches.images[260 + 19], flower[:32, 608:640])


def test_uniform_noise_is_uniform_and_fixed():
  noise = data.load("uniform_noise", "test")
  counts = np.bincount(noise.images.ravel(), minlength=256)
  expected = noise.images.size / 256
  assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))
  # a seed or generator that changes would move scores
  assert noise.images[0, 0, 0].tolist() == [172, 10, 127]


def test_a_tfds_name_is_found_without_tfds(tmp_path, monkeypatch):
  monkeypatch.setattr(tfds_reader, "load_tfds", lambda *_, **__: pytest.fail("TFDS is asked"))
  pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
  for number, image in enumerate(pixels):
    path = (
      tmp_path
      / "cifar10"
      / ("train" if number < 4 else "test")
      / ("ant", "bee")[number % 2]
      / f"{number}.png"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
  test = data.load("cifar10", "test", data_dir=str(tmp_path))
  np.testing.assert_array_equal(test.images, pixels[4:])
  assert test.labels.tolist() == [0, 1] and test.num_classes == 2
  assert data.source_of("", str(tmp_path / "cifar10")) == ""
  # goes before the folders
  np.savez(tmp_path / "cifar10.npz", test_images=pixels[:2], test_labels=[1, 0])
  np.testing.assert_array_equal(
    data.load("cifar10", "test", data_dir=str(tmp_path)).images, pixels[:2]
  )


def test_numbered_class_folders_must_sort_as_the_labels_of_tfds_count(tmp_path):
  for number in range(11):
    (tmp_path / "cifar100" / "train" / str(number)).mkdir(parents=True)
  message = refusal("cifar100", "train", data_dir=str(tmp_path))
  assert "cifar100/train" in message and "fill them up with zeros" in message
  for number in range(10):
    (tmp_path / "cifar100" / "train" / str(number)).rename(
      tmp_path / "cifar100" / "train" / f"0{number}"
    )
  assert data.source_of("cifar100", str(tmp_path)) == f"folder:{tmp_path / 'cifar100'}"


@pytest.mark.parametrize("name", ["photo_patches", "uniform_noise"])
def test_out_of_distribution_sets_cannot_be_trained_on(name):
  message = refusal(name, "train")
  assert name in message and "'train'" in message


def test_image_size_is_applied_to_every_source():
  small = data.load("digits", "test", image_size=16)
  assert small.image_size == (16, 16)
  stored = data.load("digits", "test")
  expected = Image.fromarray(stored.images[7]).resize((16, 16), Image.BILINEAR)
  np.testing.assert_array_equal(small.images[7], np.asarray(expected))
  np.testing.assert_array_equal(small.labels, stored.labels)


def test_resize_is_applied_to_every_source_even_at_the_stored_size(tmp_path):
  stored = data.load("digits", "test")
  expected = np.asarray(Image.fromarray(stored.images[7]).resize((40, 40), Image.BILINEAR))[
    4:36, 4:36
  ]
  found = data.load("digits", "test", image_size=32, resize=40)
  np.testing.assert_array_equal(found.images[7], expected)
  np.testing.assert_array_equal(
    data.load("digits", "test", image_size=32, resize=32).images, stored.images
  )
  np.savez(tmp_path / "d.npz", test_images=stored.images[:9], test_labels=stored.labels[:9])
  (tmp_path / "train" / "a").mkdir(parents=True)
  Image.fromarray(stored.images[7]).save(tmp_path / "train" / "a" / "7.png")
  for name, split, index in (
    (f"npz:{tmp_path}/d.npz", "test", 7),
    (f"folder:{tmp_path}", "train", 0),
  ):
    np.testing.assert_array_equal(
      data.load(name, split, image_size=32, resize=40).images[index], expected
    )


@pytest.mark.parametrize("image_size, resize", [(32, 31), (0, 40), (32, -1)])
def test_a_resize_that_does_not_fit_the_crop_is_refused(image_size, resize):
  message = refusal("digits", "test", image_size=image_size, resize=resize)
  assert "data.resize" in message and "data.image_size" in message and str(resize) in message


def test_unusable_arguments():
  assert "'tset'" in refusal("digits", "tset") and "did you mean 'test'" in refusal(
    "digits", "tset"
  )
  assert "data.image_size" in refusal("digits", "test", image_size=-1)
  assert "no path" in refusal("digits:somewhere", "test")
  for kind in ("npz", "npy", "folder", "images"):
    message = refusal(kind, "train")
    assert f"{kind}:PATH" in message and "data.data_dir" in message


def test_sources_name_every_source_that_is_not_tfds():
  assert set(data.SOURCES) == {
    "digits",
    "photo_patches",
    "uniform_noise",
    "npz",
    "npy",
    "folder",
    "images",
  }

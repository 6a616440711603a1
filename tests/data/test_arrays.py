"""npz files and npy folders: both key spellings, and every way they can be wrong."""

import numpy as np
import pytest

from apr_jax import data
from apr_jax.errors import UserError

RNG = np.random.RandomState(0)
TRAIN = RNG.randint(0, 256, (12, 6, 5, 3), dtype=np.uint8)
TEST = RNG.randint(0, 256, (4, 6, 5, 3), dtype=np.uint8)
TRAIN_LABELS = np.arange(12) % 4
TEST_LABELS = np.array([3, 0, 0, 1])
OURS = ("train_images", "train_labels", "test_images", "test_labels")
KERAS = ("x_train", "y_train", "x_test", "y_test")


def write(kind, where, keys=OURS, **changes):
  arrays = {**dict(zip(keys, (TRAIN, TRAIN_LABELS, TEST, TEST_LABELS))), **changes}
  arrays = {key: array for key, array in arrays.items() if array is not None}
  if kind == "npz":
    np.savez(where / "set.npz", **arrays)
    return str(where / "set.npz")
  for key, array in arrays.items():
    np.save(where / f"{key}.npy", array)
  return str(where)


def refusal(name, split="train", **kwargs):
  with pytest.raises(UserError) as error:
    data.load(name, split, **kwargs)
  assert "\n" not in str(error.value)
  return str(error.value)


@pytest.fixture(params=["npz", "npy"])
def kind(request):
  return request.param


@pytest.mark.parametrize("keys", [OURS, KERAS])
@pytest.mark.parametrize("path_in_name", [True, False])
def test_content(kind, keys, path_in_name, tmp_path):
  path = write(kind, tmp_path, keys)
  where = {"name": f"{kind}:{path}"} if path_in_name else {"name": kind, "data_dir": path}
  train, test = data.load(split="train", **where), data.load(split="test", **where)
  np.testing.assert_array_equal(train.images, TRAIN)
  np.testing.assert_array_equal(train.labels, TRAIN_LABELS)
  np.testing.assert_array_equal(test.images, TEST)
  np.testing.assert_array_equal(test.labels, TEST_LABELS)
  assert train.num_classes == test.num_classes == 4
  # not a memory map: training would read the disk at random
  assert type(train.images) is np.ndarray


def test_image_size(kind, tmp_path):
  assert data.load(f"{kind}:{write(kind, tmp_path)}", "train", image_size=4).images.shape == (
    12,
    4,
    4,
    3,
  )


def test_labels_in_a_column_and_grey_images(kind, tmp_path):
  path = write(
    kind, tmp_path, KERAS, y_train=TRAIN_LABELS[:, None].astype(np.uint8), x_train=TRAIN[..., 0]
  )
  train = data.load(f"{kind}:{path}", "train")
  np.testing.assert_array_equal(train.labels, TRAIN_LABELS)
  np.testing.assert_array_equal(train.images, np.stack([TRAIN[..., 0]] * 3, axis=-1))


def test_one_split_is_enough_for_that_split(kind, tmp_path):
  path = write(kind, tmp_path, train_images=None, train_labels=None)
  assert data.load(f"{kind}:{path}", "test").num_classes == 4
  message = refusal(f"{kind}:{path}", "train")
  for word in ("train_images", "x_train", "found test_images, test_labels", path):
    assert word in message


def test_only_what_is_missing_is_listed(kind, tmp_path):
  message = refusal(f"{kind}:{write(kind, tmp_path, train_labels=None)}")
  assert "needs train_labels; found test_images, test_labels, train_images" in message


@pytest.mark.parametrize(
  "split, changes, words",
  [
    (
      "train",
      {"train_images": TRAIN / 255},
      ["train_images", "float64", "convert them to uint8", "0..255"],
    ),
    ("train", {"train_images": TRAIN[0, 0]}, ["train_images", "[5, 3]"]),
    (
      "train",
      {"train_images": TRAIN[..., :2]},
      ["train_images", "1 or 3 channels", "[12, 6, 5, 2]"],
    ),
    ("train", {"train_labels": TRAIN_LABELS[:5]}, ["12 images", "5 labels"]),
    ("train", {"train_labels": np.eye(12)}, ["train_labels", "integers", "float64 [12, 12]"]),
    ("train", {"train_labels": TRAIN_LABELS - 1}, ["train_labels", "label -1 at index 0"]),
    ("train", {"train_labels": TRAIN_LABELS + 2**40}, ["train_labels", "32 bits"]),
    (
      "train",
      {"train_images": TRAIN[:0], "train_labels": TRAIN_LABELS[:0]},
      ["train_labels", "empty"],
    ),
    ("test", {"test_labels": TEST_LABELS + 3}, ["test_labels", "label 6 at index 0", "0..3"]),
    ("train", {"train_images": np.array([{}], object)}, ["train_images", "cannot be read"]),
  ],
)
def test_unusable_arrays(kind, split, changes, words, tmp_path):
  path = write(kind, tmp_path, **changes)
  message = refusal(f"{kind}:{path}", split)
  for word in [path, *words]:
    assert word in message


def test_missing_files(tmp_path):
  assert f"{tmp_path}/none.npz" in refusal(f"npz:{tmp_path}/none.npz")
  assert f"{tmp_path}/none" in refusal(f"npy:{tmp_path}/none")
  assert "no arrays" in refusal(f"npy:{tmp_path}")


@pytest.mark.parametrize(
  "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"hello" + b[5:]]
)
def test_damaged_npz(damage, tmp_path):
  path = write("npz", tmp_path)
  (tmp_path / "set.npz").write_bytes(damage((tmp_path / "set.npz").read_bytes()))
  assert path in refusal(f"npz:{path}")


def test_damaged_compressed_member(tmp_path):
  path = tmp_path / "set.npz"
  np.savez_compressed(path, train_images=TRAIN, train_labels=TRAIN_LABELS)
  content = bytearray(path.read_bytes())
  content[300:340] = bytes(40)
  path.write_bytes(content)
  message = refusal(f"npz:{path}")
  assert str(path) in message and "train_images" in message


def test_a_single_array_is_not_an_archive(tmp_path):
  np.save(tmp_path / "one.npy", TRAIN)
  assert "single array" in refusal(f"npz:{tmp_path}/one.npy")


def test_damaged_npy(tmp_path):
  write("npy", tmp_path)
  file = tmp_path / "train_images.npy"
  file.write_bytes(file.read_bytes()[:-100])
  assert str(file) in refusal(f"npy:{tmp_path}")

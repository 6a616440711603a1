"""A sample of a split: which images it holds, from each kind of source."""

import numpy as np
import pytest
from PIL import Image

from apr_jax.data import load
from apr_jax.data.array_data import spread


@pytest.mark.parametrize("count, n", [(10, 3), (7, 7), (100, 1), (50, 49)])
def test_positions_are_spread_evenly(count, n):
  found = spread(count, n)
  assert len(found) == n and found[0] == 0 and found[-1] < count
  steps = np.diff([*found, count])
  assert steps.min() >= count // n and steps.max() <= -(-count // n)


def test_none_and_too_many_mean_all():
  for n in (0, 5, 6):
    np.testing.assert_array_equal(spread(5, n), np.arange(5))


def test_of_arrays_and_of_what_is_built_in(tmp_path):
  images = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
  np.savez(tmp_path / "a.npz", train_images=images, train_labels=np.arange(7))
  found = load(f"npz:{tmp_path / 'a.npz'}", "train", sample=3)
  assert found.labels.tolist() == found.images[:, 0, 0, 0].tolist() == [0, 2, 4]
  whole, some = load("digits", "train"), load("digits", "train", sample=10)
  chosen = spread(len(whole.labels), 10)
  np.testing.assert_array_equal(some.images, whole.images[chosen])


def test_of_folders_other_images_are_not_even_read(tmp_path):
  for label, name in enumerate(("a", "b")):
    folder = tmp_path / "train" / name
    folder.mkdir(parents=True)
    for i in range(3):
      value = 10 * label + i
      Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(folder / f"{i}.png")
  (tmp_path / "train" / "a" / "1.png").write_bytes(b"damaged")
  found = load(f"folder:{tmp_path}", "train", sample=3)  # of six, those at 0, 2 and 4
  assert found.images[:, 0, 0, 0].tolist() == [0, 2, 11] and found.labels.tolist() == [0, 0, 1]


def test_of_tfds_it_is_the_first(real_data):
  pytest.importorskip("tensorflow_datasets")
  some = load("cifar10", "train", data_dir=str(real_data), sample=20)
  whole = load("cifar10", "train", data_dir=str(real_data))
  np.testing.assert_array_equal(some.images, whole.images[:20])
  np.testing.assert_array_equal(some.labels, whole.labels[:20])

"""Corrupted copies of whole sets: the same in any batches, and as files in the published layout."""

import dataclasses

import jax
import numpy as np
import pytest

from apr_jax import corruptions, data, make_corruptions
from apr_jax.corruptions import whole_sets
from apr_jax.data.published_corruptions import PublishedCorruptions
from apr_jax.errors import UserError

NAMES = ("gaussian_noise", "contrast")


@pytest.fixture(scope="module")
def digits():
  return data.load("digits", "test").take(10)


def test_batches_do_not_change_the_set(digits):
  (whole,) = whole_sets.regenerate(digits.images, "gaussian_noise", 3)
  pieces = list(whole_sets.regenerate(digits.images, "gaussian_noise", 3, batch_size=4))
  assert [len(piece) for piece in pieces] == [4, 4, 2]
  np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_sets_are_drawn_independently(digits):

  def noise(severity, seed=0):
    return next(whole_sets.regenerate(digits.images, "gaussian_noise", severity, seed=seed))

  grey = np.full((1, 32, 32, 3), 128, np.uint8)
  first, second = (
    next(whole_sets.regenerate(grey, "gaussian_noise", severity)).astype(float) - 128
    for severity in (1, 5)
  )
  assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
  assert (noise(3) != noise(3, seed=1)).any()


def test_an_unknown_name_is_refused(digits):
  with pytest.raises(UserError, match="unknown corruption 'fogg'; did you mean 'fog'"):
    next(whole_sets.regenerate(digits.images, "fogg", 1))


def test_make_writes_the_published_layout(digits, tmp_path):
  make_corruptions.make(digits, tmp_path, names=NAMES, quiet=True)
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    "contrast.npy",
    "gaussian_noise.npy",
    "labels.npy",
    "regenerated.json",
  ]
  published = PublishedCorruptions(tmp_path, 10, NAMES)
  np.testing.assert_array_equal(published.labels, digits.labels)
  for name in NAMES:
    for severity in (1, 5):
      expected = np.concatenate(list(whole_sets.regenerate(digits.images, name, severity)))
      np.testing.assert_array_equal(published.load(name, severity).images, expected)


def test_make_keeps_whole_files_and_replaces_partial_ones(digits, tmp_path, monkeypatch):
  made = []

  def interrupted(images, name, severity, **options):
    made.append((name, severity))
    if (name, severity) == ("contrast", 3) and made.count(("contrast", 3)) == 1:
      raise KeyboardInterrupt
    return whole_sets.regenerate(images, name, severity, **options)

  monkeypatch.setattr(make_corruptions, "regenerate", interrupted)
  with pytest.raises(KeyboardInterrupt):
    make_corruptions.make(digits, tmp_path, names=NAMES, quiet=True)
  assert (tmp_path / "gaussian_noise.npy").exists() and not (tmp_path / "contrast.npy").exists()
  make_corruptions.make(digits, tmp_path, names=NAMES, quiet=True)
  assert [name for name, _ in made].count("gaussian_noise") == 5
  assert not list(tmp_path.glob("*.partial"))
  np.testing.assert_array_equal(
    np.load(tmp_path / "contrast.npy")[:10],
    corruptions.corrupt(jax.random.key(0), digits.images, "contrast", 1),
  )


def test_make_refuses_a_folder_of_something_else(digits, tmp_path):
  make_corruptions.make(digits, tmp_path, names=("contrast",), quiet=True)

  def contents():
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

  before = contents()
  smaller = dataclasses.replace(digits, images=np.ascontiguousarray(digits.images[:, ::2, ::2]))
  for other in (digits.take(5), smaller):
    with pytest.raises(
      UserError, match="regenerated.json says that the folder was made from another data set"
    ):
      make_corruptions.make(other, tmp_path, names=("contrast",), quiet=True)
  assert contents() == before
  (tmp_path / "regenerated.json").unlink()
  with pytest.raises(UserError, match="holds .npy files and no regenerated.json"):
    make_corruptions.make(digits, tmp_path, names=("contrast",), quiet=True)

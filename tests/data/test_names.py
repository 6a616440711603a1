"""A data set's name is taken apart in one place."""

import pytest

from apr_jax import data
from apr_jax.data import names
from apr_jax.data.names import DataName
from apr_jax.errors import UserError


@pytest.mark.parametrize(
  "text, kind, path",
  [
    ("digits", "digits", ""),
    ("npz:a/b.npz", "npz", "a/b.npz"),
    ("folder", "folder", ""),
    ("images:C:/x", "images", "C:/x"),
    ("cifar10", "tfds", ""),
    ("cifar10_corrupted/fog_1:1.0.0", "tfds", ""),
    ("tfds", "tfds", ""),
    ("", "tfds", ""),
  ],
)
def test_names_are_taken_apart(text, kind, path):
  name = DataName.parse(text)
  assert (name.kind, name.path, str(name)) == (kind, path, text)
  assert name.is_tfds == (kind == "tfds")
  assert name.has_path == (kind in ("npz", "folder", "images"))


def test_its_own_path_goes_before_the_data_folder(monkeypatch):
  monkeypatch.setenv("HOME", "/home/me")
  assert DataName.parse("npz:~/a.npz").located("/data") == "/home/me/a.npz"
  assert DataName.parse("npz").located("/data") == "/data"
  with pytest.raises(UserError, match="data.name=npz: where is it"):
    DataName.parse("npz").located("")


def test_only_tfds_names_are_looked_for_in_the_data_folder(tmp_path):
  for name in ("digits", "cifar10/plain"):
    (tmp_path / f"{name}.npz").parent.mkdir(exist_ok=True)
    (tmp_path / f"{name}.npz").touch()
    assert str(DataName.parse(name).found_in(str(tmp_path))) == name
  (tmp_path / "cifar10.npz").touch()
  found = DataName.parse("cifar10").found_in(str(tmp_path))
  assert found == DataName.parse(f"npz:{tmp_path / 'cifar10.npz'}")


def test_every_kind_has_a_reader():
  assert set(names.KINDS) == set(data.SOURCES)

"""Finished parts on disk."""

import json

import pytest

from apr_jax.evaluation.part_store import PARTS, PartStore

FINGERPRINT = {"step": 3, "sizes": (1, 2)}  # a tuple, which JSON reads back as a list


def filled(folder):
  store = PartStore(folder, FINGERPRINT)
  store.put("clean", "clean", {"error": 12.5})
  store.put("corruptions", "fog/1", {"error": 1 / 3})
  store.put("corruptions", "fog/2", {"error": 0.0})
  return store


def test_results_are_on_disk_at_once_and_come_back_exactly(tmp_path):
  first = filled(tmp_path)
  for store in (first, PartStore(tmp_path, FINGERPRINT)):
    assert store.get("clean", "clean") == {"error": 12.5}
    assert store.get("corruptions", "fog/1") == {"error": 1 / 3}
    assert store.get("corruptions", "fog/3") is None and store.get("ood", "clean") is None
  assert [json.loads(line)[:2] for line in (tmp_path / PARTS).read_text().splitlines()[1:]] == [
      ["clean", "clean"], ["corruptions", "fog/1"], ["corruptions", "fog/2"]]


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_half_a_last_line_is_forgotten_and_the_rest_kept(tmp_path, cut):
  filled(tmp_path)
  path = tmp_path / PARTS
  path.write_bytes(path.read_bytes()[:-cut - 1])
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("corruptions", "fog/1") == {"error": 1 / 3}
  assert store.get("corruptions", "fog/2") is None
  store.put("corruptions", "fog/2", {"error": 9.0})
  again = PartStore(tmp_path, FINGERPRINT)
  assert again.get("corruptions", "fog/2") == {"error": 9.0} and again.get("clean", "clean") == {"error": 12.5}


@pytest.mark.parametrize("other", [{"step": 4, "sizes": (1, 2)}, {"step": 3}, {}])
def test_parts_of_another_fingerprint_are_forgotten(tmp_path, other):
  filled(tmp_path)
  assert PartStore(tmp_path, other).get("clean", "clean") is None
  assert PartStore(tmp_path, FINGERPRINT).get("clean", "clean") is None


@pytest.mark.parametrize("content", ["", "{", "\n"])
def test_a_file_without_a_fingerprint_holds_nothing(tmp_path, content):
  (tmp_path / PARTS).write_text(content)
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("clean", "clean") is None
  store.put("clean", "clean", 1)
  assert PartStore(tmp_path, FINGERPRINT).get("clean", "clean") == 1
  assert [entry.name for entry in tmp_path.iterdir()] == [PARTS]

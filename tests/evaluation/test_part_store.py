"""Finished parts on disk."""

import dataclasses
import json
from typing import Any

import pytest

from apr_jax.errors import UserError
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.evaluation.part_store import PartStore, key_of

FINGERPRINT = {"step": 3, "sizes": (1, 2)}  # a tuple, which JSON reads back as a list


def file_of(folder):
  (path,) = folder.glob("parts-*.jsonl")
  return path


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
  assert [json.loads(line)[:2] for line in file_of(tmp_path).read_text().splitlines()[1:]] == [
    ["clean", "clean"],
    ["corruptions", "fog/1"],
    ["corruptions", "fog/2"],
  ]


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_half_a_last_line_is_forgotten_and_the_rest_kept(tmp_path, cut):
  filled(tmp_path)
  path = file_of(tmp_path)
  path.write_bytes(path.read_bytes()[: -cut - 1])
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("corruptions", "fog/1") == {"error": 1 / 3}
  assert store.get("corruptions", "fog/2") is None
  store.put("corruptions", "fog/2", {"error": 9.0})
  again = PartStore(tmp_path, FINGERPRINT)
  assert again.get("corruptions", "fog/2") == {"error": 9.0} and again.get("clean", "clean") == {
    "error": 12.5
  }


@pytest.mark.parametrize("before, after", [("12.5", "13.5"), ("fog/1", "fog/3"), ("0.3", "0x3")])
def test_a_damaged_line_is_no_number_and_its_part_is_missing(tmp_path, capfd, before, after):
  filled(tmp_path)
  path = file_of(tmp_path)
  content = path.read_text()
  assert content.count(before) == 1
  path.write_text(content.replace(before, after))
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("clean", "clean") == (None if before == "12.5" else {"error": 12.5})
  assert store.get("corruptions", "fog/1") == ({"error": 1 / 3} if before == "12.5" else None)
  assert store.get("corruptions", "fog/3") is None
  assert store.get("corruptions", "fog/2") == {"error": 0.0}  # the last one stands
  (line,) = capfd.readouterr().err.splitlines()
  assert f"{path}: 1 line(s) are damaged" in line


def test_results_of_any_kind_come_back(tmp_path, capfd):
  kinds = {10: 1, 2: [float("inf"), None, True], "a": {"b": "ä"}}
  PartStore(tmp_path, FINGERPRINT).put("one", "kinds", kinds)
  PartStore(tmp_path, FINGERPRINT).put("one", "nan", float("nan"))
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("one", "kinds") == json.loads(json.dumps(kinds))
  assert store.get("one", "nan") != store.get("one", "nan") and not capfd.readouterr().err


@pytest.mark.parametrize("other", [{"step": 4, "sizes": (1, 2)}, {"step": 3}, {}])
def test_parts_of_another_fingerprint_stand_apart(tmp_path, other):
  filled(tmp_path)
  assert PartStore(tmp_path, other).get("clean", "clean") is None
  PartStore(tmp_path, other).put("clean", "clean", 1)
  assert PartStore(tmp_path, FINGERPRINT).get("clean", "clean") == {"error": 12.5}
  assert PartStore(tmp_path, other).get("clean", "clean") == 1


@pytest.mark.parametrize(
  "content", [b"", b"{", b"\n", b"{}\n[1, 2]\n", b"{}\n\xff\xfe\n", b"{}\n3\n"]
)
def test_a_damaged_file_holds_nothing(tmp_path, content):
  PartStore(tmp_path, FINGERPRINT)
  path = file_of(tmp_path)
  path.write_bytes(content)
  store = PartStore(tmp_path, FINGERPRINT)
  assert store.get("clean", "clean") is None
  store.put("clean", "clean", 1)
  assert PartStore(tmp_path, FINGERPRINT).get("clean", "clean") == 1
  assert list(tmp_path.iterdir()) == [path]


def test_what_was_missing_is_asked_for_again(tmp_path):
  store = filled(tmp_path)
  store.put("ood", "svhn", {"missing": "looked in /nowhere"})
  assert store.get("ood", "svhn") == {"missing": "looked in /nowhere"}
  again = PartStore(tmp_path, FINGERPRINT)
  assert again.get("ood", "svhn") is None and again.get("clean", "clean") == {"error": 12.5}


def test_a_key_is_that_of_the_class_and_its_options():
  assert key_of(Calibration()) == key_of(Calibration(bins=15)) != key_of(Calibration(bins=16))
  keys = {
    key_of(evaluator)
    for evaluator in (
      Corruptions(),
      Corruptions(("fog",)),
      Corruptions(("fog",), severities=(1,)),
      Corruptions(("snow",)),
      Calibration(("fog",)),
    )
  }
  assert len(keys) == 5
  assert key_of(Corruptions(("fog",))).startswith("Corruptions-")


@dataclasses.dataclass(frozen=True)
class Odd(Evaluator):
  option: Any = 1


def test_options_are_what_json_can_hold():
  assert options(Odd((1, "a", None))) == {"evaluator": "Odd", "option": [1, "a", None]}
  with pytest.raises(
    UserError, match="the options of the evaluator Odd must be what JSON can hold"
  ):
    key_of(Odd(len))
  with pytest.raises(UserError, match="an instance of a frozen dataclass derived from Evaluator"):
    options(Odd)

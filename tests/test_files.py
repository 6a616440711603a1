"""Files that are written whole, or not at all."""

import errno
import json
import os
import pathlib
import re

import pytest

from apr_jax import files


def test_write_json_leaves_the_old_file_when_it_fails(tmp_path):
  path = tmp_path / "values.json"
  files.write_json(path, {"a": 1})
  with pytest.raises(TypeError):
    files.write_json(path, {"a": object()})
  assert json.loads(path.read_text()) == {"a": 1}
  assert [entry.name for entry in tmp_path.iterdir()] == ["values.json"]


def test_a_rename_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
  path = tmp_path / "values.json"
  files.write_json(path, {"a": 1})

  def fails(source, target):
    raise OSError(errno.EIO, os.strerror(errno.EIO), source, None, target)

  with monkeypatch.context() as patch:
    patch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="Input/output"):
      files.write_json(path, {"a": 2})
  assert files.read_json(path) == {"a": 1}
  assert [entry.name for entry in tmp_path.iterdir()] == ["values.json"]


def test_a_rename_whose_answer_is_lost_is_done(tmp_path, monkeypatch):
  """A network's file system asks again, and is told that there is no such file any more."""
  path = tmp_path / "values.json"
  replace = os.replace

  def twice(source, target):
    replace(source, target)
    replace(source, target)

  monkeypatch.setattr(os, "replace", twice)
  for value in (1, 2):
    files.write_json(path, {"a": value})
    assert files.read_json(path) == {"a": value}
  assert [entry.name for entry in tmp_path.iterdir()] == ["values.json"]


def test_a_rename_that_never_took_place_is_an_error(tmp_path, monkeypatch):
  path = tmp_path / "values.json"
  files.write_json(path, {"a": 1})

  def loses(source, target):
    os.unlink(source)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source, None, target)

  monkeypatch.setattr(os, "replace", loses)
  with pytest.raises(FileNotFoundError):
    files.write_json(path, {"a": 2})
  assert files.read_json(path) == {"a": 1}


def test_a_rename_that_is_seen_late_shows_the_old_file_whole_until_then(tmp_path, monkeypatch):
  path, late = tmp_path / "record", []
  record = files.Lines(path)
  record.start(["a"])
  with monkeypatch.context() as patch:
    patch.setattr(os, "replace", lambda *names: late.append(names))
    record.start(["b", "c"])
  assert files.Lines(path).read() == ["a"]
  os.replace(*late.pop())
  record.append("d")
  assert files.Lines(path).read() == ["b", "c", "d"]


def test_a_record_on_disk_is_one_file_that_grows(tmp_path):
  lines = files.Lines(tmp_path / "record.jsonl")
  assert lines.read() == []
  lines.start(["a"])
  lines.append("ä")
  assert (tmp_path / "record.jsonl").read_text(encoding="utf-8") == "a\nä\n"
  assert files.Lines(tmp_path / "record.jsonl").read() == ["a", "ä"]
  lines.start([])
  assert [entry.name for entry in tmp_path.iterdir()] == ["record.jsonl"] and lines.read() == []


# {module: why it takes paths of its own}; whatever a user names may be an address.
OWN_PATHS = {
  "files.py": "the place for them",
  "cli.py": "Python files",
  "classifiers/from_file.py": "Python files",
  "config_files.py": "Python files",
  "sweep/plan.py": "Python files",
  "evaluation/provenance.py": "the package's own",
  "studies/run.py": "the package's own",
  "published.py": "the package's own",
  "run/claim.py": "the system's own",
  "data/imagenet_classes.py": "the package's own",
  "data/tfds_reader.py": "temporary",
  "export_torch.py": "temporary",
  "make_corruptions.py": "temporary",
  "sweep/process.py": "temporary",
  "training/tensorboard.py": "temporary",
}


# {module: why it asks what the time is}; whatever is decided must not depend on it.
ASKS_THE_CLOCK = {"run/claim.py": "for whoever reads claim.json"}


def test_nothing_that_decides_reads_the_clock():
  """How long something took is another question, which `time.monotonic` answers."""
  package = pathlib.Path(files.__file__).parent
  clock = re.compile(r"time\.time|\bdatetime\b|st_[mac]time|get[mac]time\(|localtime|gmtime|ctime")
  found = {
    str(path.relative_to(package)): len(clock.findall(path.read_text(encoding="utf-8")))
    for path in package.rglob("*.py")
  }
  assert {name for name, times in found.items() if times} == ASKS_THE_CLOCK.keys()
  assert found["run/claim.py"] == 1


def test_paths_of_users_go_through_this_file():
  package = pathlib.Path(files.__file__).parent
  own = re.compile(
    r"pathlib\.Path\(|os\.path\.(isfile|isdir|exists)\(|os\.(scandir|listdir|walk|replace)\("
    r"|(?<![\w.])open\("
  )
  found = {
    str(path.relative_to(package))
    for path in package.rglob("*.py")
    if own.search(path.read_text(encoding="utf-8"))
  }
  assert found == OWN_PATHS.keys()

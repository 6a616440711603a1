"""Paths in Google Cloud Storage, of an emulator: what is whole on disk is whole there."""

import subprocess
import sys

import pytest

from apr_jax import files
from apr_jax.errors import UserError


def test_a_file_is_written_whole_and_read_back(bucket, tmp_path):
  folder = files.path(bucket)
  for place in (folder, tmp_path):
    files.make_folder(place / "run")
    files.write_json(place / "run" / "a.json", {"a": 1})
    files.write_text(place / "run" / "a.json", "Größe")
    assert (place / "run" / "a.json").read_text(encoding="utf-8") == "Größe"
    assert files.read_range(place / "run" / "a.json", 2, 5) == "Größe".encode()[2:5]
    assert files.is_dir(place / "run") and not files.is_file(place / "run")
    assert files.is_file(place / "run" / "a.json") and not files.is_dir(place / "run" / "a.json")
    assert not files.is_file(place / "none") and not files.is_dir(place / "none")
    assert files.entries(place) == [("run", True)]
    assert files.entries(place / "run") == [("a.json", False)]
    with files.open_binary(place / "run" / "a.json") as file:
      assert file.read(2) == b"Gr"
  assert str(files.absolute(bucket)) == str(folder) == bucket


def test_a_finished_file_is_moved_in(bucket, tmp_path):
  for place in (files.path(bucket) / "x.npy", tmp_path / "x.npy"):
    (tmp_path / "finished").write_bytes(b"123")
    files.move_in(tmp_path / "finished", place)
    assert place.read_bytes() == b"123" and not (tmp_path / "finished").exists()


def test_files_at_any_depth_without_hidden_folders(bucket, tmp_path):
  names = ["a.png", "b/c/d.png", "b/e.png"]
  for place in (bucket, str(tmp_path)):
    for name in (*names, ".hidden/f.png", "b/.git/g.png"):
      path = files.path(place) / name
      files.make_folder(path.parent)
      files.write_bytes(path, b"x")
    assert sorted(files.files_below(place)) == [f"{place}/{name}" for name in names]
  assert list(files.files_below(bucket + "/none")) == []


def test_what_another_process_writes_is_seen(bucket, forks):
  assert files.entries(bucket) == []
  code = f"from apr_jax import files; files.write_text(files.path('{bucket}') / 'a', 'x')"
  assert forks.run(["-c", code]).returncode == 0
  assert files.entries(bucket) == [("a", False)] and (files.path(bucket) / "a").exists()


def test_lines_grow_by_one_and_begin_anew(bucket, tmp_path):
  for place in (files.path(bucket), tmp_path):
    path = place / "record.jsonl"
    lines = files.Lines(path)
    assert lines.read() == []
    lines.start(["a", "b"])
    lines.append("c")
    assert files.Lines(path).read() == lines.read() == ["a", "b", "c"]
    other = files.Lines(path)
    other.start(["a"])
    other.append("ä")
    assert files.Lines(path).read() == ["a", "ä"]
    other.start([])
    assert files.Lines(path).read() == []


def test_a_start_that_was_cut_off_counts_once_it_is_written(bucket):
  """Killed before the objects of the earlier start were deleted."""
  path = files.path(bucket) / "record.jsonl"
  lines = files.Lines(path)
  lines.start(["a"])
  lines.append("b")
  files.write_text(path / "00000002-00000000", "a\n")
  assert lines.read() == ["a"]
  again = files.Lines(path)
  again.start(again.read())
  again.append("c")
  assert files.Lines(path).read() == ["a", "c"]
  assert [name for name, _ in files.entries(path)] == ["00000003-00000000", "00000003-00000001"]


def test_a_record_that_was_copied_to_a_disk_is_read_there(bucket, tmp_path):
  lines = files.Lines(files.path(bucket) / "record.jsonl")
  lines.start(["a"])
  lines.append("b")
  for name in files.files_below(bucket):
    copy = tmp_path / name.removeprefix(bucket + "/")
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(files.path(name).read_bytes())
  copied = files.Lines(tmp_path / "record.jsonl")
  assert copied.read() == ["a", "b"]
  copied.start(["a"])
  copied.append("c")
  assert (tmp_path / "record.jsonl").read_text() == "a\nc\n"


def test_many_lines_become_one_object(bucket, monkeypatch):
  monkeypatch.setattr(files.Lines, "_MOST", 4)
  path = files.path(bucket) / "record.jsonl"
  lines = files.Lines(path)
  lines.start([])
  for number in range(11):
    lines.append(str(number))
    assert files.Lines(path).read() == [str(line) for line in range(number + 1)]
    assert len(files.entries(path)) <= 4


def test_what_the_store_refuses_is_an_os_error(bucket):
  nowhere = files.path("gs://no-such-bucket/run")
  with pytest.raises(OSError):
    files.write_text(nowhere / "a", "x")
  with pytest.raises(OSError):
    files.read_range(bucket + "/none", 0, 3)


def test_other_stores_are_one_line():
  with pytest.raises(
    UserError, match=r"^s3://b/run: only addresses of Google Cloud Storage, gs://"
  ):
    files.path("s3://b/run")


def test_without_gcsfs_everything_else_works_and_an_address_names_the_extra(tmp_path):
  code = """
import sys
from importlib.machinery import PathFinder
find_spec = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *arguments:
  None if name.split(".")[0] in ("gcsfs", "etils", "fsspec") else find_spec(name, *arguments))
import apr_jax
from apr_jax import errors, files
files.write_text(files.path("here"), "x")
try:
  files.path("gs://b/run")
except errors.UserError as error:
  print(error)
"""
  done = subprocess.run(
    [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100
  )
  assert done.stdout.startswith("gs://b/run lies in Google Cloud Storage, which needs gcsfs: pip")
  assert "'.[gcs]'" in done.stdout and done.stderr == "", done.stderr

"""Files that are written whole, or not at all."""

import json
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

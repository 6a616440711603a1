"""Files that are written whole, or not at all."""

import json

import pytest

from apr_jax import files


def test_write_json_leaves_the_old_file_when_it_fails(tmp_path):
  path = tmp_path / "values.json"
  files.write_json(path, {"a": 1})
  with pytest.raises(TypeError):
    files.write_json(path, {"a": object()})
  assert json.loads(path.read_text()) == {"a": 1}
  assert [entry.name for entry in tmp_path.iterdir()] == ["values.json"]

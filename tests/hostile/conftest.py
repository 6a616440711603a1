"""Runs a command on what it must refuse, and looks at all that the user would see."""

import os
import pathlib
import sys
from collections.abc import Callable, Sequence

import pytest

from apr_jax.training.resident_steps import ResidentSteps
from tests.hostile.planted import MARK


def contents(folder: pathlib.Path) -> dict[str, bytes | None]:
  """The files of a folder with their contents; what is no file with None."""
  return {
    str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
    for path in sorted(folder.rglob("*"))
  }


@pytest.fixture(autouse=True)
def nothing_ran():
  assert not os.path.exists(MARK)
  yield
  assert not os.path.exists(MARK), "code of a file that was to be read has run"


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd, script) -> Callable[..., str]:
  """(command, words) → the line; the command runs in `tmp_path`, and is refused in one line that
  holds the words, with exit code 2, and no file is another afterwards.
  """
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(ResidentSteps, "compile", lambda *_: pytest.fail("it was taken, and trains"))

  def check(command: Sequence[str], words: Sequence[str]) -> str:
    before = contents(tmp_path)
    capfd.readouterr()
    sys.modules.pop("config_config", None)  # else a file without get_config has that of another one
    with pytest.raises(SystemExit) as ended:
      script(*command)
    said = capfd.readouterr()
    assert ended.value.code == 2, said.err
    (line,) = said.err.splitlines()
    assert line.startswith("error: ") and line.isprintable()
    assert "Traceback" not in said.out
    for word in words:
      assert word in line, line
    assert contents(tmp_path) == before
    return line

  return check

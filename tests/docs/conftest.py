"""Runs what a document shows: its Python in one namespace and its commands in this process, in
order, in a folder of their own.
"""

import importlib.util
import json
import pathlib
import re
import runpy
import shlex
import sys
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.augment.methods import METHODS
from apr_jax.models.layers import head, mark_last_map

ROOT = pathlib.Path(__file__).parents[2]
_FENCE = re.compile(
  r"(?:<!-- needs (?P<needs>\w+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)
# Of others, which the tests do not run.
_OTHER_COMMANDS = ("pip", "make")
NOT_RUN = ("json",)


class Tiny(nn.Module):
  """A network that compiles in a moment."""

  num_classes: int
  dtype: object = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    x = nn.relu(nn.Conv(8, (8, 8), strides=(8, 8))(images))
    return head(mark_last_map(self, x), self.num_classes)


def blocks_of(text: str) -> list[tuple[str, str, int]]:
  """(language, code, line) of each fenced block that can be run here."""
  return [
    (found["language"], found["code"], text.count("\n", 0, found.start("code")))
    for found in _FENCE.finditer(text)
    if not found["needs"] or importlib.util.find_spec(found["needs"])
  ]


def cells_of(notebook: str) -> list[tuple[str, str, int]]:
  """(language, code, line) of each cell of code."""
  cells = json.loads(notebook)["cells"]
  return [("python", "".join(cell["source"]), 0) for cell in cells if cell["cell_type"] == "code"]


def commands_of(code: str) -> list[list[str]]:
  """The words of each command of a shell block."""
  lines = code.replace("\\\n", " ").splitlines()
  return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


@pytest.fixture
def run_blocks(tmp_path, monkeypatch):
  """A function that runs blocks, with flags added to the commands that make them small; it returns
  what the Python defined.
  """
  monkeypatch.setitem(models.NETWORKS, "tiny", Tiny)
  monkeypatch.setattr(sys, "argv", sys.argv)
  monkeypatch.chdir(tmp_path)
  known = dict(METHODS)
  (tmp_path / "configs").symlink_to(ROOT / "configs")

  def run(
    blocks: Sequence[tuple[str, str, int]],
    smaller: Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, object] | None = None,
  ) -> dict:
    namespace = dict(names or {})
    for language, code, line in blocks:
      if language == "python":
        exec(compile("\n" * line + code, "<document>", "exec"), namespace)
      elif language == "sh":
        for words in commands_of(code):
          _run_command(words, smaller or {})
      else:
        assert language in NOT_RUN, f"blocks of {language} are not run"
    return namespace

  yield run
  for name in METHODS.keys() - known.keys():
    del METHODS[name]


def _run_command(words: list[str], smaller: Mapping[str, Sequence[str]]) -> None:
  program, *arguments = words
  if program in _OTHER_COMMANDS:
    return
  assert program == "python", f"{program} is a command that no test runs"
  if arguments[0] == "-m":
    _, name, *rest = arguments
    sys.argv = [name, *rest, *smaller.get(name, ())]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
  else:
    name, *rest = arguments
    sys.argv = [name, *rest, *smaller.get(name, ())]
    runpy.run_path(str(ROOT / name), run_name="__main__")

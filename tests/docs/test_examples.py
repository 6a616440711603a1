"""Every public name has an example in its docstring, and it runs."""

import doctest
import functools
import importlib
import inspect
import pathlib
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import attacks, augment, corruptions, data, filters, metrics, spectrum
from tests.docs.conftest import ROOT

ROOMS = {
  "apr_jax": apr_jax,
  "apr_jax.attacks": attacks,
  "apr_jax.augment": augment,
  "apr_jax.augment.ops": augment.ops,
  "apr_jax.corruptions": corruptions,
  "apr_jax.data": data,
  "apr_jax.filters": filters,
  "apr_jax.metrics": metrics,
  "apr_jax.spectrum": spectrum,
}
# A stream is opened by a training; its example would need TensorFlow and files.
WITHOUT = ("open_stream", "ImageStream")
# What ops has for other rooms.
NOT_PUBLIC = ("severity_setting", "checked", "Drawn", "draw", "apply_drawn")


def public():
  """{"room.name": function or class}."""
  found = {}
  for room, module in ROOMS.items():
    own = [
      name
      for name, value in vars(module).items()
      if callable(value) and getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
    ]
    for name in getattr(module, "__all__", own):
      value = getattr(module, name)
      if callable(value) and name not in (*WITHOUT, *NOT_PUBLIC):
        found[f"{room}.{name}"] = value
  return found


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(name, request, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  if name.endswith(".load_classifier"):  # which reads the demo's run
    shutil.copytree(request.getfixturevalue("run"), tmp_path / "runs" / "demo" / "apr_sp")
  value = PUBLIC[name]
  names = {"apr_jax": apr_jax, "jax": jax, "jnp": jnp, "np": np}
  own = vars(inspect.getmodule(value))
  example = doctest.DocTestParser().get_doctest(inspect.getdoc(value), own | names, name, None, 0)
  assert example.examples, f"{name} has no example"
  example.globs.update({"PGD": attacks.PGD} if name.startswith("apr_jax.attacks") else {})
  result = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE).run(example)
  assert not result.failed


def test_every_public_name_is_in_the_reference():
  pages = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
  shown = {line.rpartition(".")[2] for line in re.findall(r"^::: (\S+)$", pages, flags=re.M)}
  whole = [room for room in ROOMS if f"::: {room}\n" in pages and room != "apr_jax.corruptions"]
  missing = [
    name
    for name in PUBLIC
    if name.rpartition(".")[2] not in shown and name.rpartition(".")[0] not in whole
  ]
  assert not missing and len(whole) == 2


def test_the_reference_shows_what_there_is():
  pages = pathlib.Path(ROOT / "docs" / "reference").glob("*.md")
  for page in pages:
    for path in re.findall(r"^::: (\S+)$", page.read_text(), flags=re.M):
      functools.reduce(getattr, *_module_and_names(path))


def _module_and_names(path):
  """The names behind the longest module of a path, and that module."""
  parts = path.split(".")
  for count in range(len(parts), 0, -1):
    try:
      return parts[count:], importlib.import_module(".".join(parts[:count]))
    except ModuleNotFoundError:
      continue
  raise AssertionError(f"{path}: no such module")

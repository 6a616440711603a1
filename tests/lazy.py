"""Libraries that take half a gigabyte, imported by the tests that use them and not by the
collection of the suite, which every worker makes.

    tf = lazy.needed("tensorflow")
"""

import importlib
import importlib.util
from typing import Any

import pytest


class _Module:
  def __init__(self, name: str):
    self._name = name

  def __getattr__(self, attribute: str) -> Any:
    if attribute.startswith(("_", "pytest")):  # pytest asks for it, to see what this is
      raise AttributeError(attribute)
    return getattr(importlib.import_module(self._name), attribute)


def needed(name: str) -> Any:
  """The module, which is imported when something of it is asked for.

  Where it is not installed, the file of tests that asks is skipped.
  """
  if importlib.util.find_spec(name) is None:
    pytest.skip(f"{name} is not installed", allow_module_level=True)
  return _Module(name)

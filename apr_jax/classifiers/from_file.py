"""A classifier that a user's own file makes, for commands: `--classifier FILE.py:FUNCTION`.

def resnet():                                     # in mine.py; the command says mine.py:resnet
  return apr_jax.FromFunction(answers, 10, (32, 32), name="my resnet")
"""

import importlib.machinery
import importlib.util
import inspect
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any

from apr_jax.classifiers.interface import Classifier, check_classifier
from apr_jax.errors import UserError, unknown


def load(place: str) -> Classifier:
  """The classifier that a function of a file returns.

  The function is called without arguments. The folder of the file is on Python's path until it has
  returned, so that the file can import what lies beside it. What the file or the function raises
  is passed on.

  Args:
    place: "FILE.py:FUNCTION".

  Raises:
    UserError: there is no such file or function, the function needs arguments, or what it returns
      is no classifier.
  """
  name, colon, function_name = place.rpartition(":")
  if not (name and colon and function_name):
    raise UserError(
      f"a classifier is named FILE.py:FUNCTION, the file and a function in it that returns one; "
      f"got {place!r}"
    )
  file = pathlib.Path(name)
  if not file.is_file():
    raise UserError(f"there is no file {file}; a classifier is named FILE.py:FUNCTION")
  folder = str(file.resolve().parent)
  sys.path.insert(0, folder)
  try:
    found = _function(_module(file), function_name, file)()
  finally:
    if folder in sys.path:  # the file may have taken it away
      sys.path.remove(folder)
  try:
    return check_classifier(found)
  except UserError as error:
    raise UserError(f"{place} returned no classifier: {error}") from error


def _module(file: pathlib.Path) -> types.ModuleType:
  # A name that no package has. The module is registered under it, for what looks itself up there,
  # as dataclasses and pickle do.
  name = f"_classifier_of_{file.stem}"
  loader = importlib.machinery.SourceFileLoader(name, str(file.resolve()))
  spec = importlib.util.spec_from_loader(name, loader)
  assert spec is not None  # this loader always says where its file lies
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  try:
    loader.exec_module(module)
  except BaseException:
    del sys.modules[name]
    raise
  return module


def _function(module: types.ModuleType, name: str, file: pathlib.Path) -> Callable[[], Any]:
  own = [
    key
    for key, value in vars(module).items()
    if inspect.isfunction(value) and value.__module__ == module.__name__
  ]
  if not hasattr(module, name):
    if not own:
      raise UserError(f"{file} has no functions; write one, {name}(), that returns a classifier")
    raise UserError(unknown(name, f"function of {file}", own))
  function = getattr(module, name)
  if not callable(function):
    raise UserError(
      f"{name} of {file} is no function but a {type(function).__name__}; "
      f"name a function that returns a classifier"
    )
  try:
    inspect.signature(function).bind()
  except TypeError as error:
    raise UserError(
      f"{name} of {file} is called without arguments, and needs some ({error}); give them defaults"
    ) from error
  except ValueError:  # a function of an extension, which does not say what it takes
    pass
  return function

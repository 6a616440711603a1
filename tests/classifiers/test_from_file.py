"""Classifiers from a user's own file: what is found, and what is said where nothing is."""

import sys
import textwrap

import numpy as np
import pytest

from apr_jax.classifiers.from_file import load
from apr_jax.errors import UserError

MINE = """
import dataclasses
import apr_jax
import weights_beside_it

@dataclasses.dataclass
class Options:
  classes: int = 3

def answers(images):
  return weights_beside_it.SCALE * images[:, 0, 0].astype("float32")

def network(options=Options()):
  import another_beside_it
  return apr_jax.FromFunction(answers, options.classes, 8, name=another_beside_it.NAME)

def needs(size):
  return network()

def number():
  return 3

def half():
  classifier = network()
  classifier.num_classes = 0
  return classifier

def breaks():
  raise ZeroDivisionError("mine")

def lacks():
  import no_such_library_anywhere

CONSTANT = 3
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
  (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))
  (tmp_path / "weights_beside_it.py").write_text("SCALE = 2\n")
  (tmp_path / "another_beside_it.py").write_text("NAME = 'from beside'\n")
  monkeypatch.chdir(tmp_path)
  return tmp_path / "mine.py"


@pytest.mark.parametrize("relative", [True, False])
def test_the_function_makes_the_classifier_and_may_import_what_lies_beside_it(file, relative):
  path = list(sys.path)
  classifier = load(f"{'mine.py' if relative else file}:network")
  assert (classifier.name, classifier.num_classes, classifier.image_size) == (
    "from beside",
    3,
    (8, 8),
  )
  images = np.full((2, 8, 8, 3), 5, np.uint8)
  np.testing.assert_array_equal(classifier.logits(images), np.full((2, 3), 10))
  assert sys.path == path and "mine" not in sys.modules


@pytest.mark.parametrize(
  "place, words",
  [
    ("mine.py", "is named FILE.py:FUNCTION, .* got 'mine.py'"),
    ("mine.py:", "is named FILE.py:FUNCTION"),
    (":network", "is named FILE.py:FUNCTION"),
    ("none.py:network", "there is no file none.py"),
    (
      "mine.py:netwrk",
      "unknown function of mine.py 'netwrk'; did you mean 'network'. "
      "Known: answers, breaks, half, lacks, needs, network, number$",
    ),
    ("empty.py:network", "empty.py has no functions; write one, network"),
    ("mine.py:CONSTANT", "CONSTANT of mine.py is no function but a int"),
    ("mine.py:needs", "needs of mine.py is called without arguments, and needs some .*size"),
    ("mine.py:number", "mine.py:number returned no classifier: .* has name, .* this int has None"),
    ("mine.py:half", "mine.py:half returned no classifier: .*num_classes, a whole number above 0"),
  ],
)
def test_what_cannot_be_used_is_one_line(file, place, words):
  (file.parent / "empty.py").write_text("")
  with pytest.raises(UserError, match=words) as error:
    load(place)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize(
  "function, error", [("breaks", ZeroDivisionError), ("lacks", ModuleNotFoundError)]
)
def test_what_the_function_raises_is_passed_on(file, function, error):
  path = list(sys.path)
  with pytest.raises(error):
    load(f"mine.py:{function}")
  assert sys.path == path


def test_what_the_file_raises_is_passed_on(file):
  file.write_text("def network(:\n")
  with pytest.raises(SyntaxError):
    load("mine.py:network")
  file.write_text("import no_such_library_anywhere\n")
  with pytest.raises(ModuleNotFoundError):
    load("mine.py:network")

"""What counts as a classifier: objects with the attributes, whatever they are."""

import types

import numpy as np
import pytest

from apr_jax.classifiers.interface import ABILITIES, Classifier, ability, check_classifier, need
from apr_jax.errors import UserError


def plain(**changes):
  attributes = {
    "name": "mine",
    "num_classes": 2,
    "image_size": (8, 6),
    "fingerprint": "f",
    "logits": lambda images: np.zeros((len(images), 2), np.float32),
  }
  return types.SimpleNamespace(**attributes | changes)


def test_any_object_with_the_attributes_is_a_classifier():
  classifier = plain()
  assert check_classifier(classifier) is classifier and isinstance(classifier, Classifier)


@pytest.mark.parametrize(
  "change",
  [
    {"name": ""},
    {"num_classes": 2.0},
    {"num_classes": 0},
    {"image_size": (8, 6, 3)},
    {"image_size": "86"},
    {"image_size": (8, 0)},
    {"fingerprint": None},
    {"logits": np.zeros((1, 2))},
  ],
)
def test_an_attribute_of_another_type_is_one_line(change):
  (attribute,) = change
  with pytest.raises(UserError, match=f"^a classifier has {attribute}, .*; this Simple") as error:
    check_classifier(plain(**change))
  assert "\n" not in str(error.value)


def test_a_missing_attribute_is_one_line():
  for attribute in vars(plain()):
    classifier = plain()
    delattr(classifier, attribute)
    with pytest.raises(UserError, match=f"has {attribute}, .* has None: give apr_jax.FromFunction"):
      check_classifier(classifier)


def test_what_fails_inside_an_attribute_is_not_taken_for_a_missing_one():
  class Broken:
    @property
    def name(self):
      return None.no_such_attribute

  with pytest.raises(AttributeError, match="no_such_attribute"):
    check_classifier(Broken())


@pytest.mark.parametrize("name", ABILITIES)
def test_an_ability_is_there_or_said_to_be_lacking(name):
  assert ability(plain(), name) is None and ability(plain(**{name: 3}), name) == 3
  assert need(plain(**{name: 3}), name, "a suite") == 3
  with pytest.raises(UserError, match=f"^the suite x needs {name}, which 'mine' lacks: ") as error:
    need(plain(), name, "the suite x")
  assert "\n" not in str(error.value)

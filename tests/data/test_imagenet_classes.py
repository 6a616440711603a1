"""The classes of ImageNet against facts that are known from elsewhere."""

import pytest

from apr_jax.data.imagenet_classes import class_labels
from apr_jax.errors import UserError


def test_the_thousand_classes_are_in_alphabetical_order():
  labels = class_labels("imagenet")
  assert list(labels.values()) == list(range(1000)) and list(labels) == sorted(labels)
  # tench, goldfish, tabby, teddy, toilet tissue, by their well-known labels
  known = {"n01440764": 0, "n01443537": 1, "n02123045": 281, "n04399382": 850, "n15075141": 999}
  assert {wnid: labels[wnid] for wnid in known} == known


def test_they_are_those_of_tfds(real_data):
  (names,) = (real_data / "imagenet2012").rglob("label.labels.txt")
  assert names.read_text().split() == list(class_labels("imagenet"))


def test_the_two_hundred_classes_of_the_smaller_sets():
  labels, rendition, adversarial = map(class_labels, ("imagenet", "imagenet_r", "imagenet_a"))
  for smaller in (rendition, adversarial):
    assert len(smaller) == 200 and smaller.items() <= labels.items()
  # The first and last labels that their released evaluations list, and what lies beside them.
  assert list(rendition.values())[:9] == [1, 2, 4, 6, 8, 9, 11, 13, 22]
  assert list(adversarial.values())[:9] == [6, 11, 13, 15, 17, 22, 23, 27, 30]
  assert 0 not in rendition.values() and 0 not in adversarial.values()
  assert len(rendition.keys() & adversarial.keys()) not in (0, 200)
  with pytest.raises(UserError, match="set of ImageNet's classes 'imagenet_o'"):
    class_labels("imagenet_o")

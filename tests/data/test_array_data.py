"""ArrayData refuses what cannot be trained on, and says which value is wrong."""

import numpy as np
import pytest

from apr_jax.data import ArrayData
from apr_jax.errors import UserError

IMAGES = np.arange(5 * 4 * 6 * 3).reshape(5, 4, 6, 3).astype(np.uint8)
LABELS = np.array([0, 2, 1, 2, 0], np.int32)


def make(images=IMAGES, labels=LABELS, num_classes=3):
  return ArrayData(images, labels, num_classes, "toy")


def test_fields_and_size():
  data = make()
  assert data.image_size == (4, 6)
  assert data.images is IMAGES and data.labels is LABELS


@pytest.mark.parametrize(
  "changes, words",
  [
    ({"images": IMAGES.astype(np.float32)}, ["uint8", "float32", "0..255"]),
    ({"images": IMAGES[0]}, ["[N, H, W, 3]", "[4, 6, 3]"]),
    ({"images": IMAGES[..., :1]}, ["[N, H, W, 3]", "[5, 4, 6, 1]"]),
    ({"labels": LABELS.astype(np.int64)}, ["int32", "int64"]),
    ({"labels": LABELS[:, None]}, ["int32 [N]", "[5, 1]"]),
    ({"labels": LABELS[:3]}, ["5 images", "3 labels"]),
    ({"images": IMAGES[:0], "labels": LABELS[:0]}, ["empty"]),
    ({"images": IMAGES[:, :0]}, ["empty"]),
    ({"num_classes": 2}, ["label 2 at index 1", "0..1", "2 such"]),
    ({"labels": np.array([0, 1, 2, -1, 0], np.int32)}, ["label -1 at index 3", "0..2"]),
  ],
)
def test_refusals(changes, words):
  with pytest.raises(UserError) as error:
    make(**changes)
  message = str(error.value)
  assert "\n" not in message
  for word in ["toy", *words]:
    assert word in message


def test_take():
  data = make()
  assert data.take(0) is data
  first = data.take(2)
  np.testing.assert_array_equal(first.images, IMAGES[:2])
  np.testing.assert_array_equal(first.labels, LABELS[:2])
  assert (first.num_classes, first.name) == (3, "toy")
  assert len(data.take(5).labels) == 5


@pytest.mark.parametrize("n", [6, -1])
def test_take_refuses_numbers_that_are_not_there(n):
  with pytest.raises(UserError, match=rf"toy.*{n}.*5"):
    make().take(n)

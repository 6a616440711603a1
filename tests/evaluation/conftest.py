"""Tasks whose logits are planted in the images."""

import numpy as np
import pytest

from apr_jax.data import ArrayData
from apr_jax.evaluation.suite import Task


def planted_logits(images: np.ndarray) -> np.ndarray:
  """The first pixel names the predicted class of five (larger ones count as the last) and ten times
  its logit.
  """
  logits = np.zeros((len(images), 5), np.float32)
  logits[np.arange(len(images)), np.minimum(images[:, 0, 0, 0], 4)] = images[:, 0, 0, 1] / 10
  return logits


@pytest.fixture
def planted():
  """Makes a task from its data sets {name: ArrayData}; the first one is the in-distribution set."""

  def make(
    sets: dict[str, ArrayData],
    *,
    data_dir="",
    limit=0,
    ood_sets=(),
    source="auto",
    logits=planted_logits,
  ):
    cut = lambda data: data.take(min(limit, len(data.labels)))
    return Task(
      logits=logits,
      data_name=next(iter(sets)),
      data_dir=str(data_dir),
      num_classes=5,
      image_size=next(iter(sets.values())).image_size,
      load_test=lambda name: cut(sets[name]),
      limit=limit,
      ood_sets=tuple(ood_sets),
      corruption_source=source,
    )

  return make

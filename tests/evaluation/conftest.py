"""Tasks whose logits are planted in the images."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from apr_jax import data
from apr_jax.data import ArrayData
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.task import Task


def planted_logits(images: np.ndarray) -> np.ndarray:
  """The first pixel names the predicted class of five (larger ones count as the last) and ten times
  its logit.
  """
  logits = np.zeros((len(images), 5), np.float32)
  logits[np.arange(len(images)), np.minimum(images[:, 0, 0, 0], 4)] = images[:, 0, 0, 1] / 10
  return logits


@dataclasses.dataclass(frozen=True)
class Planted:
  """The least that is a classifier."""

  logits: Callable[[np.ndarray], np.ndarray]
  num_classes: int
  image_size: tuple[int, int]
  name: str = "planted"
  fingerprint: str = "planted"


@pytest.fixture
def planted():
  """Makes a task from its data sets {name: ArrayData}; the first one is the in-distribution set.
  Sets that are not given are read from disk. `loaded` takes the name of each set that is read.
  """

  def make(
    sets: dict[str, ArrayData],
    *,
    data_dir="",
    limit=0,
    ood_sets=(),
    source="auto",
    logits=planted_logits,
    download=False,
    loaded=None,
  ):
    def load(name, split, **where):
      if loaded is not None:
        loaded.append(name)
      return sets[name] if name in sets else data.load(name, split, **where)

    name, test = next(iter(sets.items()))
    settings = Settings(
      name,
      data_dir=data_dir,
      limit=limit,
      ood_sets=ood_sets,
      corruption_source=source,
      download=download,
    )
    return Task(Planted(logits, test.num_classes, test.image_size), settings, load)

  return make

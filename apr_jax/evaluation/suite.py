"""What every evaluator is: parts that can be computed one by one, and a summary of their results.

An evaluator is a module with two functions:

    parts(task) -> Iterator[(name, compute)]     compute() -> a JSON value, the result of that part
    summarise(results) -> dict                   from {name: result of that part}, in order

The runner skips the parts that an earlier, interrupted evaluation has finished. To add an evaluator: write such a
module and add a line to `runner.SUITES`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from apr_jax.data import ArrayData

Part = tuple[str, Callable[[], Any]]
Parts = Iterator[Part]


@dataclasses.dataclass(frozen=True)
class Task:
  """What an evaluator may know: a network as a function, and images.

  Attributes:
    logits: uint8 `[N, H, W, 3]` → float32 `[N, K]`; exact for any N.
    data_name: name of the in-distribution data set.
    data_dir: where data sets lie; "" = TFDS's default.
    num_classes: K.
    image_size: (H, W) in pixels.
    load_test: name of a data set → its test split, at the size the network takes, cut to the limit.
    limit: evaluate on the first so many images of each set; 0 = all.
    ood_sets: names of the out-of-distribution sets.
    corruption_source: "auto", "published", "tfds" or "regenerated".
  """

  logits: Callable[[np.ndarray], np.ndarray]
  data_name: str
  data_dir: str
  num_classes: int
  image_size: tuple[int, int]
  load_test: Callable[[str], ArrayData]
  limit: int
  ood_sets: tuple[str, ...]
  corruption_source: str

  @functools.cached_property
  def test(self) -> ArrayData:
    """The in-distribution test split."""
    return self.load_test(self.data_name)

  @functools.cached_property
  def test_logits(self) -> np.ndarray:
    """float32 `[N, K]`, of the in-distribution test split."""
    return self.logits(self.test.images)

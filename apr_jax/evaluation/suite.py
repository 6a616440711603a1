"""What every evaluator is: parts that can be computed one by one, and a summary of their results.

An evaluator is a module with three functions:

    parts(task) -> Iterator[(name, compute)]     compute() -> a JSON value, the result of that part
    summarise(results) -> dict                   from {name: result of that part}, in order
    lines(summary) -> list[str]                  the headline of the summary, for a terminal

The runner skips the parts that an earlier, interrupted evaluation has finished; not those whose
result is a dict with the key "missing", which says what could not be had. Parts of several
evaluators with the same name are computed one after the other, so that what they want of the same
images is computed once (`Task.once`). To add an evaluator: write such a module and add a line to
`runner.SUITES`.
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from apr_jax.data import ArrayData

Part = tuple[str, Callable[[], Any]]
Parts = Iterator[Part]


def data_folder(data_dir: str) -> pathlib.Path:
  """`data_dir`, or for "" where TFDS keeps its data sets."""
  return pathlib.Path(
    data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  ).expanduser()


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
    download: whether `load_test` downloads a TFDS data set that is not prepared.
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
  download: bool = False
  _latest: dict[str, Any] = dataclasses.field(
    default_factory=dict, init=False, repr=False, compare=False
  )
  _kept: dict[str, ArrayData] = dataclasses.field(
    default_factory=dict, init=False, repr=False, compare=False
  )

  @property
  def data_folder(self) -> pathlib.Path:
    """`data_dir`, or where TFDS keeps its data sets if it is not given."""
    return data_folder(self.data_dir)

  @functools.cached_property
  def test(self) -> ArrayData:
    """The in-distribution test split."""
    return self.load_test(self.data_name)

  @functools.cached_property
  def test_logits(self) -> np.ndarray:
    """float32 `[N, K]`, of the in-distribution test split."""
    return self.logits(self.test.images)

  def load_kept(self, name: str) -> ArrayData:
    """`load_test(name)`, kept in memory for all evaluators: of what must be there before anything
    is computed.
    """
    if name not in self._kept:
      self._kept[name] = self.load_test(name)
    return self._kept[name]

  def once(self, name: str, compute: Callable[[], Any]) -> Any:
    """`compute()`, kept until another name is asked for: one corrupted set's logits at a time bound
    the memory.
    """
    if name not in self._latest:
      self._latest.clear()
      self._latest[name] = compute()
    return self._latest[name]

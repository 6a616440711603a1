"""What an evaluator may know: a classifier, the settings of the evaluation, and the images."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from apr_jax import data
from apr_jax.classifiers.interface import Classifier, need
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.division import Division
from apr_jax.evaluation.settings import Settings


class Memory:
  """What several evaluators look at, so that it is loaded and computed once."""

  def __init__(self):
    self._kept: dict[str, Any] = {}
    self._latest: tuple[str, Any] | None = None

  def keep(self, name: str, compute: Callable[[], Any]) -> Any:
    """`compute()` of the first call with this name; kept as long as the task is."""
    if name not in self._kept:
      self._kept[name] = compute()
    return self._kept[name]

  def once(self, name: str, compute: Callable[[], Any]) -> Any:
    """`compute()`, kept until another name is asked for: one value at a time bounds the memory."""
    if self._latest is None or self._latest[0] != name:
      self._latest = None  # freed before the next one is made
      self._latest = name, compute()
    return self._latest[1]


class Alone:
  """How the logits of many images are computed where there is one process; `division.Division` is
  for several.
  """

  def logits(
    self,
    images: np.ndarray,
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    kept: bool = False,
  ) -> np.ndarray:
    """`compute(images)`."""
    del kept
    return compute(images)


class Task:
  """A classifier and the settings of its evaluation.

  Attributes:
    classifier: what is evaluated; evaluators ask it for its abilities, `classifiers.interface`.
    settings: the settings.
    memory: what evaluators share.

    folder: of the results, for parts that leave files; None: nothing is written.
    quiet: show no progress.

  Args:
    load: reads a split of a data set, with the arguments of `data.load`.
    division: who computes logits; None: this process alone.
  """

  def __init__(
    self,
    classifier: Classifier,
    settings: Settings,
    load: Callable[..., ArrayData] = data.load,
    *,
    folder: pathlib.Path | None = None,
    quiet: bool = True,
    division: Division | None = None,
  ):
    self.classifier = classifier
    self.settings = settings
    self.folder = folder
    self.quiet = quiet
    self.memory = Memory()
    self._load = load
    self._division: Alone | Division = Alone() if division is None else division

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → float32 `[N, K]`, for any N.

    Raises:
      UserError: the classifier answers with something else, or with numbers that are not finite.
    """
    return self._logits(images)

  @property
  def num_classes(self) -> int:
    """K."""
    return self.classifier.num_classes

  @property
  def image_size(self) -> tuple[int, int]:
    """(H, W) in pixels."""
    return self.classifier.image_size

  @property
  def data_folder(self) -> pathlib.Path:
    """Where data sets lie."""
    return self.settings.data_folder

  @property
  def test(self) -> ArrayData:
    """The in-distribution test split."""
    return self.load_kept(self.settings.data)

  @property
  def test_logits(self) -> np.ndarray:
    """float32 `[N, K]`, of the in-distribution test split."""
    return self.memory.keep(
      "logits of the test split", lambda: self._logits(self.test.images, kept=True)
    )

  def load_train(self, sample: int = 0) -> ArrayData:
    """The in-distribution training images at the size that the classifier takes, kept in memory:
    `sample` of them, see `data.load`, and no more than the limit.

    Raises:
      UserError: as `load_test`.
    """
    count = min(filter(None, (sample, self.settings.limit)), default=0)
    name = self.settings.data
    return self.memory.keep(
      f"{count} training images", lambda: self._checked(name, self._at_size(name, "train", count))
    )

  def features(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → float32 `[N, D]`, for any N.

    Raises:
      UserError: the classifier lacks them, or answers with something else or with numbers that are
        not finite.
    """
    found = np.asarray(need(self.classifier, "features", "the score")(images))
    fits = found.ndim == 2 and len(found) == len(images) and found.dtype.kind == "f"
    if not fits or not np.isfinite(found).all():
      raise UserError(
        f"the features of {self.classifier.name!r} must be finite floats [{len(images)}, D], got "
        f"{found.dtype} {list(found.shape)}; correct its function"
      )
    return found

  def load_test(self, name: str) -> ArrayData:
    """The test split of a data set, at the size that the classifier takes, cut to the limit.

    Raises:
      UserError: it is not there, cannot be had at that size, or the in-distribution set has another
        number of classes than the classifier.
    """
    found = self._checked(name, self._at_size(name))
    return found.take(min(self.settings.limit, len(found.labels)))

  def load_kept(self, name: str) -> ArrayData:
    """`load_test(name)`, kept in memory for all evaluators: of what must be there before anything
    is computed.
    """
    return self.memory.keep(f"data set {name}", lambda: self.load_test(name))

  def once(self, name: str, compute: Callable[[], Any]) -> Any:
    """`compute()`, kept until another name is asked for; see `Memory.once`."""
    return self.memory.once(name, compute)

  def _logits(self, images: np.ndarray, *, kept: bool = False) -> np.ndarray:
    logits = np.asarray(self._division.logits(images, self.classifier.logits, kept=kept))
    wanted = (len(images), self.num_classes)
    if logits.shape != wanted or logits.dtype.kind != "f" or not np.isfinite(logits).all():
      found = f"{logits.dtype} {list(logits.shape)}"
      if logits.shape == wanted and logits.dtype.kind == "f":
        found += " with numbers that are not finite"
      raise UserError(
        f"the logits of {self.classifier.name!r} must be finite floats {list(wanted)}, got "
        f"{found}; correct its function"
      )
    return logits

  def _checked(self, name: str, found: ArrayData) -> ArrayData:
    if name == self.settings.data and found.num_classes != self.num_classes:
      raise UserError(
        f"data set {name!r} has {found.num_classes} classes, the network {self.num_classes}; "
        f"give the --data_dir of the data it was trained on"
      )
    return found

  def _at_size(self, name: str, split: str = "test", sample: int = 0) -> ArrayData:
    height, width = self.image_size
    where: dict[str, Any] = {
      "data_dir": self.settings.data_dir,
      "download": self.settings.download,
      **({"sample": sample} if sample else {}),
    }
    if height == width:
      return self._load(name, split, image_size=height, resize=self.settings.resize, **where)
    found = self._load(name, split, **where)
    if found.image_size != (height, width):
      raise UserError(
        f"data set {name!r} has {found.image_size} pixels, the network takes {(height, width)}; "
        f"only square images can be resized"
      )
    return found

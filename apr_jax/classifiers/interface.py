"""What every classifier is: a function of images with a name, and what some can do beyond it.

Suites of evaluation and sections of the report ask a classifier what it can do and never where it
comes from. A run (`of_run`), an import (`of_run`) and a user's function (`of_function`) are
classifiers; so is any object with the attributes of `Classifier`.
"""

import inspect
import operator
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from apr_jax.errors import UserError, one_line

ABILITIES: Mapping[str, str] = {
  "jax_logits": (
    "a differentiable JAX function, float images [B, H, W, 3] in [0, 1] → logits [B, K]; "
    "give apr_jax.FromFunction one as jax_logits="
  ),
  "features": (
    "a function, uint8 images [N, H, W, 3] → features float [N, D]; "
    "give apr_jax.FromFunction one as features="
  ),
  "last_layer": (
    "(W float [D, K], b float [K]) of the linear layer behind the features; "
    "give apr_jax.FromFunction one as last_layer="
  ),
  "adapted_logits": (
    "a function of one batch, uint8 images [N, H, W, 3] and how many images the statistics of the "
    "training count as → logits float [N, K] with batch statistics of these images; "
    "give apr_jax.FromFunction one as adapted_logits="
  ),
  "first_kernel": (
    "the kernel of the first convolution, float [k, k, C, O]; "
    "give apr_jax.FromFunction one as first_kernel="
  ),
  "first_gain": (
    "the gain on power of the batch normalisation behind the first convolution, "
    "scale² / (variance + ε), float [O]; give apr_jax.FromFunction one as first_gain="
  ),
  "grad_cam": "a function, uint8 images [N, H, W, 3] → maps float [N, H, W] in [0, 1]",
  "config": "the configuration of its training",
  "workdir": "the folder of its training",
}
"""{optional attribute: what it is, and how to have it}."""


@runtime_checkable
class Classifier(Protocol):
  """A function of images with a name.

  Attributes:
    name: for tables and reports.
    num_classes: number of logits, K.
    image_size: (H, W) in pixels of the images it takes.
    fingerprint: of its weights; results are kept under it, so that those of another network are
      never taken for its own.

  Optional attributes are those of `ABILITIES`, of which `jax_logits` may be a
  `jax.tree_util.Partial`, whose leaves are the parameters, and

    step, seed: of the training, int.
    kind: "run", "import" or "function".
    spec: the `models.NetworkSpec` of a run or an import.
    defaults: what an evaluation of it begins with, by the names of the fields of
      `evaluation.settings.Settings`: the data it was trained on.
  """

  @property
  def name(self) -> str: ...

  @property
  def num_classes(self) -> int: ...

  @property
  def image_size(self) -> tuple[int, int]: ...

  @property
  def fingerprint(self) -> str: ...

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → float32 `[N, K]`, for any N."""
    ...


def ability(classifier: Classifier, name: str) -> Any:
  """An optional attribute of `ABILITIES`, or None where the classifier lacks it."""
  return _attribute(classifier, name)


def need(classifier: Classifier, name: str, whose: str) -> Any:
  """An optional attribute of `ABILITIES`.

  Args:
    classifier: that should have it.
    name: of the attribute.
    whose: who needs it, such as "the suite autoattack".

  Raises:
    UserError: the classifier lacks it; one line says what, and how to give it.
  """
  found = ability(classifier, name)
  if found is None:
    how = f": {ABILITIES[name]}" if name in ABILITIES else ""
    raise UserError(f"{whose} needs {name}, which {classifier.name!r} lacks{how}")
  return found


def check_classifier(found: Any) -> Classifier:
  """The object, if it is a classifier.

  Raises:
    UserError: an attribute is missing or of another type.
  """
  rules = {
    "name": (lambda value: isinstance(value, str) and value, "a text that is not empty"),
    "num_classes": (_is_count, "a whole number above 0"),
    "image_size": (
      lambda value: (
        isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_count, value))
      ),
      "(height, width) in pixels",
    ),
    "fingerprint": (lambda value: isinstance(value, str) and value, "a text that is not empty"),
    "logits": (callable, "a function of images"),
  }
  for attribute, (valid, rule) in rules.items():
    value = _attribute(found, attribute)
    if not valid(value):
      raise UserError(
        f"a classifier has {attribute}, {rule}; this {type(found).__name__} has "
        f"{one_line(repr(value))}: give apr_jax.FromFunction(...) or apr_jax.load_classifier(...)"
      )
  return found


def _is_count(value: Any) -> bool:
  try:
    return not isinstance(value, bool) and operator.index(value) > 0
  except TypeError:
    return False


def _attribute(found: Any, name: str) -> Any:
  """An attribute, or None where there is none; an AttributeError inside a property is passed on."""
  if inspect.getattr_static(found, name, None) is not None:
    return getattr(found, name)
  return getattr(found, name, None)  # objects that make their attributes when asked

"""What every classifier is: a function of images with a name, and what some can do beyond it.

Suites of evaluation and sections of the report ask a classifier what it can do and never where it
comes from. A run (`of_run`), an import (`of_run`) and a user's function (`of_function`) are
classifiers; so is any object with the attributes of `Classifier`.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from apr_jax.errors import UserError

ABILITIES: Mapping[str, str] = {
  "jax_logits": (
    "a differentiable JAX function, float images [B, H, W, 3] in [0, 1] → logits [B, K]; "
    "give apr_jax.FromFunction one as jax_logits="
  ),
  "features": (
    "a function, uint8 images [N, H, W, 3] → features float [N, D]; "
    "give apr_jax.FromFunction one as features="
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

  Optional attributes are those of `ABILITIES`, and

    step, seed: of the training, int.
    kind: "run", "import" or "function".
    defaults: {name of a field of `evaluation.Settings`: value}, what an evaluation of it begins
      with: the data it was trained on.
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
  return getattr(classifier, name, None)


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
    raise UserError(f"{whose} needs {name}, which {classifier.name!r} lacks: {ABILITIES[name]}")
  return found


def check_classifier(found: Any) -> Classifier:
  """The object, if it is a classifier.

  Raises:
    UserError: an attribute is missing or of another type.
  """
  kind = type(found).__name__
  types = {
    "name": str,
    "num_classes": int,
    "image_size": tuple,
    "fingerprint": str,
  }
  for attribute, wanted in types.items():
    value = getattr(found, attribute, None)
    if not isinstance(value, wanted):
      raise UserError(
        f"a classifier has {attribute}, a {wanted.__name__}; this {kind} has {value!r}: "
        f"give apr_jax.FromFunction or apr_jax.load_classifier"
      )
  if not callable(getattr(found, "logits", None)):
    raise UserError(
      f"a classifier has logits(images), which this {kind} lacks: "
      f"give apr_jax.FromFunction or apr_jax.load_classifier"
    )
  return found

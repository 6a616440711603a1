"""What makes a robust accuracy doubtful. Each check returns sentences, none if all is well; none
stops an attack.

Reference: the checks of AutoAttack's released code (https://arxiv.org/abs/2003.01690 and its
"flags").
"""

from collections.abc import Sequence

import numpy as np

SAME_LOGITS = 1e-4  # of vectors of length 1
PROBABILITIES = 1e-5
HALF_PRECISION = ("bf16[", "f16[", "f8_")  # as JAX writes types


def of_program(program: str) -> list[str]:
  """Whether the network computes in half precision.

  Args:
    program: the function's jaxpr, as text.
  """
  if not any(name in program for name in HALF_PRECISION):
    return []
  return [
    "the network computes in half precision, whose ties and zero gradients can make it look more "
    "robust than it is: attack it in float32"
  ]


def of_classes(classes: int, targeted: Sequence[str]) -> list[str]:
  """Whether there are classes enough for the difference-of-logits ratio with a target.

  Args:
    classes: K.
    targeted: names of the attacks with targets.
  """
  if classes > 3 or not targeted:
    return []
  return [
    f"{classes} classes are too few for the ratio that targeted APGD raises, which takes four "
    f"logits: it raises the difference of two"
  ]


def of_clean_logits(logits: np.ndarray) -> list[str]:
  """Whether the outputs look like probabilities.

  Args:
    logits: float `[N, K]`.
  """
  in_range = logits.min() >= -PROBABILITIES and logits.max() <= 1 + PROBABILITIES
  if not in_range or np.abs(logits.sum(-1) - 1).max() > PROBABILITIES:
    return []
  return [
    "the network returns probabilities, not logits; attacks are weaker on them: remove its softmax"
  ]


def of_repetition(first: np.ndarray, again: np.ndarray, labels: np.ndarray) -> list[str]:
  """Whether the same images have the same logits in another batch.

  Args:
    first, again: float `[N, K]`, the logits of the same images in two batches.
    labels: int `[N]`.
  """
  first_direction, direction = (
    logits / np.maximum(np.linalg.norm(logits, axis=-1, keepdims=True), 1e-12)
    for logits in (first, again)
  )
  right = [(logits.argmax(-1) == labels).sum() for logits in (first, again)]
  difference = np.linalg.norm(first_direction - direction, axis=-1).max()
  if right[0] == right[1] and difference <= SAME_LOGITS:
    return []
  return [
    "the same images have other logits in another batch: the network draws random numbers (then "
    'use randomised=True and the version "rand"), or is in training mode (then the robust accuracy '
    "means nothing)"
  ]


def flat_gradients(attack: str) -> str:
  """That the gradient of some images is zero."""
  return (
    f"{attack}: the gradient of some images is zero everywhere at the start; the network saturates "
    f"or hides its gradients"
  )

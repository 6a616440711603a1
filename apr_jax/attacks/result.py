"""What an ensemble of attacks found, of one block of images or of several."""

import dataclasses
from collections.abc import Sequence

import numpy as np

CLEAN = "clean"
# Square, which sees no gradient, should not find much that the attacks before it missed.
SUSPICIOUS_GAIN = 0.2  # points


@dataclasses.dataclass(frozen=True)
class Result:
  """What the attacks found.

  Attributes:
    attacks: their names, in the order in which they ran.
    gradient_free: the names of those that use no gradient.
    epsilon: the largest change of a value.
    broken_by: per image, the name of the attack that changed its class; "clean" where the network
      was wrong without one; None where the image stands.
    adversarial: float32 `[N, H, W, C]` in [0, 1]: the first image that was misclassified; the
      original where the image stands or was wrong from the start. The values are no multiples of
      1/255: rounded to uint8, some images would not fool the network any more. None where they were
      not kept.
    observations: what was noticed during the attacks that makes the robust accuracy doubtful, one
      sentence each.

  Examples:
    >>> found = Result(("apgd-ce",), (), 8 / 255, (None, "apgd-ce", "clean", None), None, ())
    >>> found.robust_accuracy, found.clean_accuracy  # of four images, in percent
    (50.0, 75.0)
  """

  attacks: tuple[str, ...]
  gradient_free: tuple[str, ...]
  epsilon: float
  broken_by: tuple[str | None, ...]
  adversarial: np.ndarray | None = dataclasses.field(repr=False)
  observations: tuple[str, ...]

  @property
  def robust(self) -> np.ndarray:
    """bool `[N]`: the network is right, and no attack changed that."""
    return np.array([breaker is None for breaker in self.broken_by], bool)

  @property
  def by_attack(self) -> dict[str, float]:
    """Accuracy in percent: "clean", and then after each attack. All images count, also those wrong
    from the start.
    """
    standing, accuracies = len(self.broken_by), {}
    for name in (CLEAN, *self.attacks):
      standing -= self.broken_by.count(name)
      accuracies[name] = 100 * standing / len(self.broken_by)
    return accuracies

  @property
  def clean_accuracy(self) -> float:
    """In percent."""
    return self.by_attack[CLEAN]

  @property
  def robust_accuracy(self) -> float:
    """In percent: the accuracy after the last attack."""
    return list(self.by_attack.values())[-1]

  @property
  def warnings(self) -> tuple[str, ...]:
    """Why the robust accuracy may be too high, one sentence each; empty if nothing was noticed."""
    return *self.observations, *self._gains_without_gradients()

  def _gains_without_gradients(self) -> list[str]:
    accuracies, sentences = self.by_attack, []
    for place, name in enumerate(self.attacks):
      before = (CLEAN, *self.attacks)[place]
      gain = accuracies[before] - accuracies[name]
      uses_gradients = set(self.attacks[:place]) - set(self.gradient_free)
      if name in self.gradient_free and uses_gradients and round(gain, 6) > SUSPICIOUS_GAIN:
        sentences.append(
          f"{name} uses no gradient and lowers the accuracy by {gain:.2f} points below what the "
          f"attacks before it left: the network may hide its gradients, and its true robustness be "
          f"lower"
        )
    return sentences


def join(results: Sequence[Result]) -> Result:
  """The result of all images, from those of its blocks in their order, which the same attacks
  attacked.

  Images are kept only if every block kept them.

  Examples:
    >>> first = Result(("pgd",), (), 0.1, (None,), None, ())
    >>> second = Result(("pgd",), (), 0.1, ("pgd",), None, ())
    >>> join([first, second]).robust_accuracy
    50.0
  """
  first = results[0]
  for other in results:
    assert (other.attacks, other.epsilon) == (first.attacks, first.epsilon), "of other attacks"
  images = [result.adversarial for result in results if result.adversarial is not None]
  return dataclasses.replace(
    first,
    broken_by=sum((result.broken_by for result in results), ()),
    adversarial=np.concatenate(images) if len(images) == len(results) else None,
    observations=tuple(dict.fromkeys(sum((result.observations for result in results), ()))),
  )

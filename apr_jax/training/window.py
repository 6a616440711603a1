"""The sums of the training steps since the last line of the logs."""

import math

import jax

from apr_jax.errors import UserError
from apr_jax.training.step import Sums


class Window:
  """Collects what the steps return, without waiting for the devices.

  It is true when it holds any.
  """

  def __init__(self):
    self._sums: list[Sums] = []

  def __bool__(self) -> bool:
    return bool(self._sums)

  def add(self, sums: Sums) -> None:
    """Takes the sums of one dispatch."""
    self._sums.append(sums)

  def check_finite(self, step: int) -> None:
    """Waits for the devices, and refuses to go on from a loss that is not finite.

    Args:
      step: steps done.

    Raises:
      UserError: with the loss and what to do.
    """
    loss = self._total("loss")
    if not math.isfinite(loss):
      raise UserError(
        f"the training diverged: the loss is {loss} in the steps up to {step}; lower "
        f"optimizer.learning_rate, or add schedule.warmup_epochs, in another --workdir"
      )

  def take_means(self) -> dict[str, float]:
    """The mean loss per example and the accuracy in percent; waits for the devices, and empties the
    window.
    """
    examples = self._total("examples")
    means = {
      "loss": self._total("loss") / examples,
      "accuracy": 100 * self._total("correct") / examples,
    }
    self._sums = []
    return means

  def _total(self, name: str) -> float:
    return float(sum(jax.device_get([sums[name] for sums in self._sums])))

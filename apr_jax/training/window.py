"""The sums of the training steps since the last line of the logs."""

import math
from collections.abc import Callable

import jax

from apr_jax.errors import UserError
from apr_jax.training.step import Sums


class Window:
  """Collects what the steps return, without waiting for the devices.

  It is true when it holds any.

  Args:
    skips: whether steps that are not finite are skipped (`optimizer.skip_nonfinite`).
  """

  def __init__(self, skips: bool = False):
    self._skips = skips
    self._sums: list[tuple[int, Sums]] = []

  def __bool__(self) -> bool:
    return bool(self._sums)

  def add(self, sums: Sums, step: int) -> None:
    """Takes the sums of one dispatch, after which `step` steps are done."""
    self._sums.append((step, sums))

  def check_finite(
    self, learning_rate: Callable[[], float], saved: Callable[[], int | None]
  ) -> None:
    """Waits for the devices, and refuses to go on from a loss or a gradient that is not finite;
    where such steps are skipped, if the window has no other.

    Args:
      learning_rate: gives that of the last step.
      saved: gives the step of the newest checkpoint.

    Raises:
      UserError: with the step and what to do.
    """
    values = jax.device_get([sums for _, sums in self._sums])
    bad = [step for (step, _), sums in zip(self._sums, values) if sums["nonfinite"]]
    if not bad or (self._skips and any(sums["examples"] for sums in values)):
      return
    loss = sum(float(sums["loss"]) for sums in values)
    what = "a gradient is not finite" if math.isfinite(loss) else f"the loss is {loss}"
    if self._skips:
      what = "no step since the last line has a finite loss and gradient"
    good = saved()
    kept = "nothing was saved" if good is None else f"the checkpoint of step {good} is good"
    raise UserError(
      f"the training diverged: {what}, first in step {bad[0]}, at learning rate "
      f"{learning_rate():.3g}; {kept}; lower optimizer.learning_rate, or add "
      f"schedule.warmup_epochs, in another --workdir"
    )

  def take_means(self) -> dict[str, float]:
    """The mean loss per example and the accuracy in percent, and where steps are skipped their
    number; waits for the devices, and empties the window.
    """
    values = jax.device_get([sums for _, sums in self._sums])
    total = {name: sum(float(sums[name]) for sums in values) for name in values[0]}
    means = {
      "loss": total["loss"] / total["examples"],
      "accuracy": 100 * total["correct"] / total["examples"],
    }
    if self._skips:
      means["skipped_steps"] = total["nonfinite"]
    self._sums = []
    return means

"""How fast a run trains, and how long its devices wait for images."""

import time


class Clock:
  """Measures the steps since it was last started.

  Args:
    batch_size: images per step.
    step: steps done before.
  """

  def __init__(self, batch_size: int, step: int):
    self._batch_size = batch_size
    self._input_wait: float | None = None
    self.start(step)

  def start(self, step: int) -> None:
    """Starts at zero, after so many steps. What came before, such as an evaluation, does not
    count.
    """
    self._since, self._since_step, self._input_wait = time.perf_counter(), step, None

  def add_input_wait(self, seconds: float | None) -> None:
    """Adds time that the devices waited for images; None for data that lie on them."""
    if seconds is not None:
      self._input_wait = (self._input_wait or 0.0) + seconds

  def read(self, step: int) -> dict[str, float]:
    """What was measured up to this step, whose result is there; starts again.

    Returns:
      {"images_per_second": number}, 0 if no step was done; for data that do not lie on the devices
      also {"input_wait": percent of the time}.
    """
    seconds = time.perf_counter() - self._since
    values = {"images_per_second": (step - self._since_step) * self._batch_size / seconds}
    if self._input_wait is not None:
      values["input_wait"] = 100 * self._input_wait / seconds
    self.start(step)
    return values

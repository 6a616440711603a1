"""What the loop asks of the steps, whether their images lie on the devices or are a stream."""

from typing import Protocol, Self

from apr_jax.run.state import TrainState
from apr_jax.training.step import Sums


class Steps(Protocol):
  """Runs training steps; a context manager that ends the reading of images.

  Attributes:
    steps_per_epoch: whole batches of the data set.
    input_wait: seconds that the devices waited for the batch of the last dispatch; None for images
      that lie on them.
  """

  steps_per_epoch: int

  @property
  def input_wait(self) -> float | None: ...

  def __enter__(self) -> Self: ...

  def __exit__(self, *_: object) -> None: ...

  def compile(self, state: TrainState) -> None:
    """Compiles what `run` runs, so that no call of it takes longer than the others.

    Args:
      state: like those of the run; nothing happens to it.
    """
    ...

  def run(self, state: TrainState, done: int, target: int) -> tuple[TrainState, int, Sums]:
    """Dispatches some of the steps between `done` and `target`, without waiting for them.

    Args:
      state: after `done` steps; donated.
      done: steps done.
      target: steps after which the caller wants the state; at least one more, within the epoch or
        at its end.

    Returns:
      the state, the number of steps done, and the sums over the steps of this dispatch.
    """
    ...

"""SIGTERM and SIGINT in a training: the step in flight is finished and saved."""

import signal
import threading

import jax


class Signals:
  """A context manager that remembers SIGTERM and SIGINT instead of dying.

  A second signal of the same kind has its usual effect. It stands aside outside the main thread,
  where Python allows no handlers, and with several processes, which would not stop after the same
  step; those go on from a checkpoint.

  Attributes:
    received: the number of the last signal; 0 for none.
  """

  def __init__(self):
    self.received = 0
    self._handlers = {}

  def __enter__(self) -> "Signals":
    if threading.current_thread() is threading.main_thread() and jax.process_count() == 1:
      self._handlers = {
        number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)
      }
    return self

  def __exit__(self, *_) -> None:
    for number, handler in self._handlers.items():
      signal.signal(number, handler)

  def _remember(self, number: int, frame) -> None:
    del frame
    self.received = number
    signal.signal(number, self._handlers.pop(number))

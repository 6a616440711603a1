"""SIGTERM and SIGINT in a training: the step in flight is finished and saved."""

import signal
import threading

import jax
from jax.experimental import multihost_utils


class Signals:
  """A context manager that remembers SIGTERM and SIGINT instead of dying.

  A second signal of the same kind has its usual effect. It stands aside outside the main thread,
  where Python allows no handlers. With several processes JAX catches SIGTERM, in whichever of them
  it arrives, and they agree on the dispatch after which all of them stop; SIGINT ends a process at
  once, and with it the others.

  Attributes:
    received: the number of the last signal; 0 for none.
  """

  def __init__(self):
    self.received = 0
    self._handlers = {}
    self._several = jax.process_count() > 1
    self._dispatches = 0

  def __enter__(self) -> "Signals":
    if threading.current_thread() is threading.main_thread() and not self._several:
      self._handlers = {
        number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)
      }
    return self

  def __exit__(self, *_) -> None:
    for number, handler in self._handlers.items():
      signal.signal(number, handler)

  def after_dispatch(self) -> None:
    """Asks whether the processes stop here; each calls it after each dispatch of steps."""
    if self._several and jax.config.values["jax_enable_preemption_service"]:
      self._dispatches += 1
      if multihost_utils.reached_preemption_sync_point(self._dispatches):
        self.received = signal.SIGTERM

  def _remember(self, number: int, frame) -> None:
    del frame
    self.received = number
    signal.signal(number, self._handlers.pop(number))

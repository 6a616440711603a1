"""SIGTERM and SIGINT in a training: the step in flight is finished and saved."""

import signal
import threading

import jax
from absl import logging
from jax.experimental import multihost_utils


class Signals:
  """A context manager that remembers SIGTERM and SIGINT instead of dying.

  A second signal of the same kind has its usual effect. It stands aside outside the main thread,
  where Python allows no handlers. With several processes JAX catches SIGTERM, in whichever of them
  it arrives, and they agree on the step after which all of them stop; SIGINT ends a process at
  once, and with it the others.

  Attributes:
    received: the number of the last signal; 0 for none.
  """

  def __init__(self):
    self.received = 0
    self._handlers = {}
    self._several = jax.process_count() > 1

  def __enter__(self) -> "Signals":
    if threading.current_thread() is threading.main_thread() and not self._several:
      self._handlers = {
        number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)
      }
    return self

  def __exit__(self, *_) -> None:
    for number, handler in self._handlers.items():
      signal.signal(number, handler)

  def after_dispatch(self, before: int, done: int) -> None:
    """Asks whether the processes stop here; each calls it after each dispatch.

    Args:
      before, done: steps done before and after the dispatch, the same in all processes.
    """
    if not (self._several and jax.config.values["jax_enable_preemption_service"]):
      return
    # They agree on a step, which must be asked for by its number, as Orbax does too; a dispatch may
    # be of several.
    for step in range(before + 1, done + 1):
      if multihost_utils.reached_preemption_sync_point(step):
        self.received = signal.SIGTERM
        logging.set_verbosity(logging.ERROR)  # Orbax would say it once more, at each of its steps

  def _remember(self, number: int, frame) -> None:
    del frame
    self.received = number
    signal.signal(number, self._handlers.pop(number))

"""What a user did wrong, said in one line.

`UserError` is the only exception the entry points turn into a line on stderr and exit code 2. Its
message says what is wrong, where, and what to do; it never needs the traceback. Every other
exception is a defect of ours and keeps its traceback.
"""

import difflib
import signal
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class UserError(ValueError):
  """Input from the user cannot be used. The message is one complete line: what, where, what to
  do.
  """


class Stopped(Exception):
  """SIGINT or SIGTERM asked the work to end, and what is done is saved.

  Attributes:
    exit_code: of a process that ends for it, 128 + the number of the signal.
  """

  def __init__(self, signal_number: int, what_is_saved: str):
    """The message is "stopped by SIGTERM", and then `what_is_saved`."""
    super().__init__(f"stopped by {signal.Signals(signal_number).name}{what_is_saved}")
    self.exit_code = 128 + signal_number


def lookup(table: Mapping[str, Value], name: str, kind: str) -> Value:
  """Returns `table[name]`.

  Args:
    table: the known names of this kind.
    name: the name the user gave.
    kind: what is being named, for the message ("model", "schedule", ...).

  Raises:
    UserError: the name is unknown. The message gives the nearest known name and lists them all.
  """
  if name in table:
    return table[name]
  raise UserError(unknown(name, kind, table))


def unknown(name: str, kind: str, known: Iterable[str]) -> str:
  """One line for an unknown name: the nearest known one, then all of them."""
  known = sorted(known)
  near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
  hint = f"; did you mean {near[0]!r}?" if near else "."
  return f"unknown {kind} {name!r}{hint} Known: {', '.join(known)}"


def one_line(error: BaseException | str) -> str:
  """The message of a library's exception, without its line breaks and at most 300 characters
  long.
  """
  # str() of a KeyError is the repr of its message, with its line breaks spelled out.
  message = error.args[0] if isinstance(error, KeyError) and error.args else error
  text = " ".join(str(message).split()) or type(error).__name__
  return text if len(text) <= 300 else text[:297] + "..."

"""What a user did wrong, said in one line.

`UserError` is the only exception the entry points turn into a line on stderr and exit code 2. Its
message says what is wrong, where, and what to do; it never needs the traceback. Every other
exception is a defect of ours and keeps its traceback.
"""

import contextlib
import difflib
import errno
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
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


# What a disk says that takes nothing more, and what there is to do.
_ROOM = "make room there"
_RIGHT = "make it writable, or use another folder"
_DISK = {
  errno.ENOSPC: ("the disk is full", _ROOM),
  errno.EDQUOT: ("the quota of the disk is used up", _ROOM),
  errno.EFBIG: ("a file may not grow so large there (ulimit -f)", "allow larger files"),
  errno.EROFS: ("the disk is read-only", _RIGHT),
  errno.EACCES: ("this user may not write there", _RIGHT),
  errno.EPERM: ("this user may not write there", _RIGHT),
  errno.EIO: ("the disk fails (input/output error)", "look at the disk, or use another one"),
}


@contextlib.contextmanager
def naming(place: str | os.PathLike[str]) -> Iterator[None]:
  """Inside, an OSError that names no file gets this one: that of a `write` to a full disk has
  none.
  """
  try:
    yield
  except OSError as error:
    if error.filename is None and error.errno is not None:
      error.filename = os.fspath(place)
    raise


def disk_trouble(error: BaseException, place: str | os.PathLike[str] | None = None) -> str | None:
  """What a full, read-only or failing disk made of a write, and what to do, in a line; None for an
  exception that another thing caused.

  Args:
    error: any; what caused it is looked at too, and what a library says of the disk in words of
      its own.
    place: what was written; default: the file that the error names.
  """
  seen: list[BaseException] = []
  waiting: list[BaseException | None] = [error]
  while waiting:
    cause = waiting.pop(0)
    if cause is None or cause in seen:
      continue
    seen.append(cause)
    number = cause.errno if isinstance(cause, OSError) else None
    if number is None:
      text = str(cause)
      number = next((code for code in _DISK if f"] {os.strerror(code)}" in text), None)
      number = number or next((code for code in _DISK if os.strerror(code) in text), None)
    if number in _DISK:
      where = place or getattr(cause, "filename", None) or "a folder of this command"
      what, remedy = _DISK[number]
      return (
        f"{os.fspath(where)} cannot be written: {what}; {remedy}, and the same command goes on "
        f"from what is finished"
      )
    if isinstance(cause, BaseExceptionGroup):
      waiting += cause.exceptions
    waiting += [cause.__cause__, cause.__context__]
  return None


def one_line(error: BaseException | str) -> str:
  """The message of a library's exception, without its line breaks and at most 300 characters
  long.
  """
  # str() of a KeyError is the repr of its message, with its line breaks spelled out.
  message = error.args[0] if isinstance(error, KeyError) and error.args else error
  text = " ".join(str(message).split()) or type(error).__name__
  return text if len(text) <= 300 else text[:297] + "..."

"""The claim of a run, an evaluation or a study to its folder, so that a second one in the same
folder is refused where that can be told.

On disk the folder itself is locked, which leaves no file and ends with the process; disks that
know no locks are trusted. An object store locks nothing: there `claim.json` says who is at work,
and is written anew every `RENEW` seconds. A claim that is not renewed is that of a run that was
killed: the next run waits `PATIENCE` seconds, or not at all if it can see that the process is gone,
and takes the folder over. A run that finds another one's claim in place of its own is told so by
`check`. No clock is believed: two machines' may differ, and one may be set back.
"""

import fcntl
import functools
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from apr_jax import files
from apr_jax.errors import UserError

CLAIM = "claim.json"
RENEW = 15.0  # seconds
PATIENCE = 60.0


class Claim:
  """A context manager that holds a folder, and lets go of it at its end.

  Args:
    folder: of the run.
    who: names such a run in messages: "training".
    say: is told, in a line, that it waits.
    flag: names the folder in messages.
  """

  def __init__(
    self, folder: pathlib.Path, who: str, say: Callable[[str], None], flag: str = "--workdir"
  ):
    self._folder, self._who, self._say, self._flag = folder, who, say, flag
    self._token = uuid.uuid4().hex
    self._lock: int | None = None
    self._renewing: threading.Thread | None = None
    self._stop = threading.Event()
    self._taken_by: dict[str, Any] | None = None
    self._written = 0  # how often, which is the sign of life

  def __enter__(self) -> "Claim":
    return self

  def __exit__(self, *_: object) -> None:
    if self._lock is not None:
      os.close(self._lock)
    if self._renewing is not None:
      self._stop.set()
      self._renewing.join()
      if self._holder().get("token") == self._token:
        (self._folder / CLAIM).unlink(missing_ok=True)

  def take(self) -> None:
    """Claims the folder, if it is there and not claimed yet.

    Raises:
      UserError: another run holds it.
    """
    if self._lock is not None or self._renewing is not None:
      return
    if files.is_address(self._folder):
      self._take_in_store()
    elif self._folder.is_dir():
      self._take_on_disk()

  def check(self) -> None:
    """Refuses to go on in a folder that another run has taken over.

    Raises:
      UserError: it has.
    """
    if self._taken_by is not None:
      raise UserError(
        f"another {self._who}, {_name(self._taken_by)}, has taken over {self._folder}, for this "
        f"one could not be seen to work; end one of them, and start the other again"
      )

  def _take_on_disk(self) -> None:
    try:
      lock = os.open(self._folder, os.O_RDONLY)
    except OSError:  # it may be written, and not read: what it holds will say so
      return
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      os.close(lock)
      raise self._refusal("") from error
    except OSError:  # this disk knows no locks
      os.close(lock)
      return
    self._lock = lock

  def _take_in_store(self) -> None:
    before = self._holder()
    if before and not _is_gone(before):
      self._say(
        f"{self._folder} is claimed by a {self._who}, {_name(before)}: waits {PATIENCE:.0f} s for "
        f"a sign of life"
      )
      ends = time.monotonic() + PATIENCE
      while time.monotonic() < ends:
        time.sleep(1)
        now = self._holder()
        if not now:
          break
        if now != before:
          raise self._refusal(f", on {_name(now)}")
    self._write()
    if self._holder().get("token") != self._token:
      raise self._refusal("")
    self._renewing = threading.Thread(target=self._renew, daemon=True)
    self._renewing.start()

  def _renew(self) -> None:
    while not self._stop.wait(RENEW):
      try:
        holder = self._holder()
        if holder and holder.get("token") != self._token:
          self._taken_by = holder
          return
        self._write()
      except OSError:  # the store cannot be reached for a while; saving will say so if it stays
        pass

  def _write(self) -> None:
    self._written += 1
    claim = {
      "token": self._token,
      "written": self._written,
      "time": time.time(),  # for whoever reads the file
      "process": os.getpid(),
    }
    files.write_json(self._folder / CLAIM, claim | _machine())

  def _holder(self) -> dict[str, Any]:
    """Who holds the folder; {} for nobody."""
    try:
      claim = files.read_json(self._folder / CLAIM)
    except (FileNotFoundError, ValueError):
      return {}
    return claim if isinstance(claim, dict) else {}

  def _refusal(self, where: str) -> UserError:
    return UserError(
      f"another {self._who} is at work in {self._folder}{where}; wait until it has stopped, or use "
      f"another {self._flag}"
    )


def _name(holder: dict[str, Any]) -> str:
  return f"process {holder.get('process')} on {holder.get('host')}"


@functools.cache
def _machine() -> dict[str, str]:
  """Names this machine since its last start, and what it is called, for containers have names of
  their own.
  """
  try:
    start = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
  except OSError:
    start = uuid.uuid4().hex  # cannot be told: like no other
  return {"host": socket.gethostname(), "start": start}


def _is_gone(holder: dict[str, Any]) -> bool:
  """Whether the process that wrote a claim is known to have ended."""
  process = holder.get("process")
  here = {key: holder.get(key) for key in _machine()} == _machine()
  if not here or not isinstance(process, int):
    return False
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return True
  except OSError:
    return False
  return False

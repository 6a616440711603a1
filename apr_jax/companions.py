"""The other processes of a command that runs in several: each is told when one of them ends before
its time, and process 0 answers what the others ask.

Every process but 0 holds two connections to process 0: one on which nothing is said until somebody
leaves, and whose end without a word means that a process has died; and one for questions. JAX
notices the same after a minute or two, and says it in a page. Connections must show a secret that
the processes have agreed on through JAX.
"""

import atexit
import contextlib
import json
import os
import secrets
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from apr_jax import parallel
from apr_jax.errors import Stopped, UserError, one_line

Message = tuple[dict[str, Any], bytes]
"""A JSON value, and bytes."""
Answer = Callable[[int, dict[str, Any], bytes], Message]
"""(process that asks, what, bytes) → the answer."""

_WAIT = 120.0  # seconds for all to connect
_GRACE = 5.0  # seconds in which a process may say itself what another one has told
_HEADER = struct.Struct(">IQ")  # lengths of the JSON value and of the bytes
_FAILED = 1  # exit code


@contextlib.contextmanager
def joined(
  coordinator: str, num_processes: int, process_id: int, *, saves_on_sigterm: bool
) -> Iterator["Companions | None"]:
  """Joins the other processes, and leaves them at its end; None for a command of one process.

  Args:
    coordinator, num_processes, process_id: as of `parallel.initialise_processes`; "", 1 and 0 for
      one process.
    saves_on_sigterm: whether the command answers SIGTERM itself; otherwise it ends the process.

  Raises:
    UserError: one of them does not fit.
  """
  if not coordinator and num_processes == 1 and not process_id:
    yield None
    return
  jax.config.update("jax_enable_preemption_service", saves_on_sigterm)
  parallel.initialise_processes(coordinator, num_processes, process_id)
  parallel.check_devices()
  if jax.process_count() == 1:
    yield None
    return
  host = "" if coordinator == "auto" else coordinator.rpartition(":")[0]
  companions = Companions(host)
  try:
    yield companions
  except BaseException as error:
    companions.fail(error)
    raise
  companions.leave()


class Companions:
  """The processes of a command.

  Attributes:
    index: of this process, from 0.
    count: of all.

  Args:
    host: where the others reach process 0; "" = under the name of its machine.

  Raises:
    UserError: they cannot be reached.
  """

  def __init__(self, host: str = ""):
    self.index, self.count = jax.process_index(), jax.process_count()
    self._changed = threading.Condition()
    self._left: set[int] = set()
    self._leaving = False
    self._answer: Answer | None = None
    self._watched: dict[int, socket.socket] = {}
    self._asking: dict[int, socket.socket] = {}
    if self.index == 0:
      server = socket.create_server(("", 0), backlog=2 * self.count)
      secret = secrets.token_hex(16)
      _agree(f"{secret} {server.getsockname()[1]} {socket.gethostname()}")
      self._accept(server, secret)
    else:
      secret, port, name = _agree("").split()
      self._connect(host or name, int(port), secret)

  def serve(self, answer: Answer) -> None:
    """In process 0: what the others ask from now on, or have asked already, is answered so, in a
    thread of its own for each.
    """
    with self._changed:
      self._answer = answer
      self._changed.notify_all()

  def ask(self, what: dict[str, Any], data: bytes = b"") -> Message:
    """What process 0 answers; process 0 asks itself."""
    if self.index == 0:
      assert self._answer is not None
      return self._answer(0, what, data)
    try:
      _send(self._asking[0], what, data)
      answer = _receive(self._asking[0])
    except OSError:
      answer = None
    if answer is None:
      time.sleep(2 * _GRACE)  # the other connection tells more, and ends this process
      raise UserError("process 0 has gone; the same command, in all processes, goes on")
    return answer

  def leave(self) -> None:
    """Says that this process is done; process 0 waits for the others."""
    with self._changed:
      self._leaving = True
      if self.index == 0:
        self._changed.wait_for(lambda: len(self._left) == self.count - 1)
    self._tell({"leaves": self.index, "why": ""})

  def fail(self, error: BaseException) -> None:
    """Says that this process ends before its time; then its exit waits for nobody.

    What goes wrong because another one has died is not said: the line about that ends this process.
    """
    if isinstance(error, Stopped):  # as all of them are
      self.leave()
      return
    ours = isinstance(error, UserError | KeyboardInterrupt | SystemExit)
    if not ours:
      time.sleep(_GRACE)
    self._leaving = True
    self._tell({"leaves": self.index, "why": one_line(error)})
    atexit.register(_exit, 2 if isinstance(error, UserError) else _FAILED)

  def _accept(self, server: socket.socket, secret: str) -> None:
    ends = time.monotonic() + _WAIT
    while len(self._watched) + len(self._asking) < 2 * (self.count - 1):
      server.settimeout(max(0.1, ends - time.monotonic()))
      try:
        connection, _ = server.accept()
        connection.settimeout(_WAIT)
        hello = _receive(connection)
      except OSError as error:
        missing = sorted(set(range(1, self.count)) - self._asking.keys())
        raise UserError(
          f"processes {missing} have not connected to process 0 within {_WAIT:.0f} s; let them "
          f"reach each other"
        ) from error
      if hello is None or hello[0].get("secret") != secret:
        connection.close()
        continue
      connection.settimeout(None)
      _keep_alive(connection)
      place = self._watched if hello[0]["watch"] else self._asking
      place[int(hello[0]["process"])] = connection
    server.close()
    for process in self._watched:
      threading.Thread(target=self._watch, args=(process,), daemon=True).start()
      threading.Thread(target=self._answer_all, args=(process,), daemon=True).start()

  def _connect(self, host: str, port: int, secret: str) -> None:
    for watch, place in ((True, self._watched), (False, self._asking)):
      try:
        connection = socket.create_connection((host, port), timeout=_WAIT)
      except OSError as error:
        raise UserError(
          f"process 0 cannot be reached at {host}:{port} ({one_line(error)}); let the processes "
          f"reach each other"
        ) from error
      connection.settimeout(None)
      _keep_alive(connection)
      _send(connection, {"secret": secret, "process": self.index, "watch": watch})
      place[0] = connection
    threading.Thread(target=self._watch, args=(0,), daemon=True).start()

  def _watch(self, process: int) -> None:
    """Waits until a process leaves; process 0 tells of any."""
    try:
      told = _receive(self._watched[process])
    except OSError:
      told = None
    said = {"leaves": process, "why": None} if told is None else told[0]
    if said["why"] == "":
      with self._changed:
        self._left.add(process)
        self._changed.notify_all()
      return
    if self._leaving:
      return
    self._tell(said)  # process 0 tells the others
    who = f"process {said['leaves']} of {self.count}"
    if said["why"] is None:
      line = f"{who} has died"
    else:
      time.sleep(_GRACE)  # it may be what this process is about to say
      line = f"{who} has stopped: {said['why']}"
    if self._leaving:
      return
    remedy = "what is finished is saved: the same command, in all of them, goes on"
    below = "\n" if sys.stderr.isatty() else ""  # what shows the progress stands in the line
    print(f"{below}{line}; {remedy}", file=sys.stderr)
    _exit(_FAILED)

  def _tell(self, what: dict[str, Any]) -> None:
    """Process 0 tells all, the others process 0."""
    for connection in list(self._watched.values()):
      with contextlib.suppress(OSError):
        _send(connection, what)

  def _answer_all(self, process: int) -> None:
    with contextlib.suppress(OSError):
      while True:
        asked = _receive(self._asking[process])
        if asked is None:
          return
        with self._changed:
          self._changed.wait_for(lambda: self._answer is not None)
        assert self._answer is not None
        try:
          answer = self._answer(process, *asked)
        except Exception:  # a defect of ours, in a thread: nobody would see it
          traceback.print_exc()
          _exit(_FAILED)
        _send(self._asking[process], *answer)


def _agree(text: str) -> str:
  """What process 0 says, in all processes."""
  said = np.zeros(512, np.uint8)
  said[: len(text.encode())] = np.frombuffer(text.encode(), np.uint8)
  heard = np.asarray(multihost_utils.broadcast_one_to_all(said)).astype(np.uint8)
  return heard.tobytes().rstrip(b"\0").decode()


def _keep_alive(connection: socket.socket) -> None:
  """A machine that has gone without a word is missed within half a minute."""
  connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
  for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
    if hasattr(socket, option):
      connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
  connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _send(connection: socket.socket, what: dict[str, Any], data: bytes = b"") -> None:
  text = json.dumps(what).encode()
  connection.sendall(_HEADER.pack(len(text), len(data)) + text + data)


def _receive(connection: socket.socket) -> Message | None:
  """The next message; None at the end of the connection."""
  header = _exactly(connection, _HEADER.size)
  if header is None:
    return None
  lengths = _HEADER.unpack(header)
  text, data = _exactly(connection, lengths[0]), _exactly(connection, lengths[1])
  return None if text is None or data is None else (json.loads(text), data)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
  content = bytearray()
  while len(content) < size:
    more = connection.recv(min(size - len(content), 2**20))
    if not more:
      return None
    content += more
  return bytes(content)


def _exit(code: int) -> None:
  """Ends the process at once: JAX would wait for the others, or say a page about them."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)

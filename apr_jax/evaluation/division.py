"""An evaluation that several processes share.

Process 0 keeps the board: names of the parts that are still to be computed, who has which, and
their results, which it writes down as they come. The others ask it for a part, compute it on their
own devices, and bring the result. What is drawn and what is padded depends on an image's place and
on the classifier alone, so whoever computes a part, its result is the same.

Large sets of images are also divided into blocks: of the test images always, for several parts want
their logits; of others once there are fewer parts left than processes. A process without a part of
its own then helps with one: it looks at the same images, and answers some of their blocks. Blocks
are known by a digest of all of the images.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from apr_jax.companions import Companions, Message
from apr_jax.errors import UserError

BLOCK = 1000
"""Images of a block."""

_PAUSE = 0.1  # seconds between two questions of a process that waits

Logits = Callable[[np.ndarray], np.ndarray]
"""Images uint8 `[N, H, W, 3]` → logits `[N, K]`."""


Compute = Callable[[str, Sequence[str]], dict[str, Any]]


class Finished(Exception):
  """The part that this process helps with is done."""


class Board:
  """What is to do, in process 0; its answers to the others, `answer`, come from several threads.

  Args:
    parts: {name: keys of the evaluators that want it}, in order.
    processes: how many share them.
    digest: of the conditions of process 0; others are refused.
    record: is given the name of a part and its results, {key of its evaluator: result}.
  """

  def __init__(
    self,
    parts: Mapping[str, Sequence[str]],
    processes: int,
    digest: str,
    record: Callable[[str, dict[str, Any]], None],
  ):
    self._keys = {name: list(keys) for name, keys in parts.items()}
    self._open, self._processes = list(parts), processes
    self._digest, self._record = digest, record
    self._shared: set[str] = set()  # under way, and divided into blocks
    self._under_way: set[str] = set()
    self._sets: dict[str, _Set] = {}
    self._lock = threading.Lock()

  def answer(self, who: int, what: dict[str, Any], data: bytes) -> Message:
    """Answers one question; see the methods, which are what can be asked.

    Raises:
      UserError: of process 0 itself.
    """
    del who
    with self._lock:
      return getattr(self, f"_{what.pop('ask')}")(data, **what)

  def _take(self, data: bytes, digest: str) -> Message:
    """A part to compute, {"part", "keys", "shared"}, which may be one to help with; {"waits"}; or
    {"finished"}.
    """
    del data
    if digest != self._digest:
      return {"refused": self._digest}, b""
    if self._open:
      shared = len(self._open) < self._processes
      part = self._open.pop(0)
      self._under_way.add(part)
      if shared:
        self._shared.add(part)
      return {"part": part, "keys": self._keys[part], "shared": shared}, b""
    for one in self._sets.values():
      if one.part in self._shared and one.untaken:
        return {"part": one.part, "keys": self._keys[one.part], "shared": True}, b""
    return ({"waits": True} if self._under_way else {"finished": True}), b""

  def _put(self, data: bytes, part: str, results: dict[str, Any]) -> Message:
    """Takes the results of a part; the first ones count."""
    del data
    if part in self._under_way:
      self._record(part, results)
      self._under_way.remove(part)
      self._shared.discard(part)
      self._sets = {name: one for name, one in self._sets.items() if one.part != part}
    return {}, b""

  def _block(self, data: bytes, images: str, part: str, blocks: int) -> Message:
    """A block of a set to compute, {"block"}; {"waits"}; {"complete"} with all that is known; or
    {"finished"}, where the part is.
    """
    del data
    if part and part not in self._under_way:
      return {"finished": True}, b""
    one = self._sets.setdefault(images, _Set(part, blocks))
    if one.untaken:
      return {"block": one.untaken.pop(0)}, b""
    return ({"complete": True} if len(one.found) == blocks else {"waits": True}), b""

  def _answered(self, data: bytes, images: str, block: int, dtype: str) -> Message:
    """Takes the logits of a block."""
    if images in self._sets:
      self._sets[images].found[block] = dtype, data
    return {}, b""

  def _fetch(self, data: bytes, images: str, block: int) -> Message:
    """The logits of a block; {"finished"}, where they are no longer kept."""
    del data
    if images not in self._sets:
      return {"finished": True}, b""
    dtype, found = self._sets[images].found[block]
    return {"dtype": dtype}, found


class _Set:
  """A set of images whose logits are computed in blocks."""

  def __init__(self, part: str, blocks: int):
    self.part = part
    self.untaken = list(range(blocks))
    self.found: dict[int, tuple[str, bytes]] = {}


class Division:
  """One process's share of an evaluation.

  Args:
    companions: the processes.
    block: images of a block.
  """

  def __init__(self, companions: Companions, block: int = BLOCK):
    self._companions, self._block = companions, block
    self._part: str | None = None  # the part under way, if it is divided

  def work(self, digest: str, compute: Compute) -> Iterator[str]:
    """Computes parts until none is left, and yields their names, "" while it waits.

    Args:
      digest: of the conditions.
      compute: (name of a part, keys of evaluators) → its results, {key: result}.

    Raises:
      UserError: this process evaluates something else than process 0.
    """
    while True:
      given, _ = self._companions.ask({"ask": "take", "digest": digest})
      if "refused" in given:
        raise UserError(
          f"this process evaluates something else than process 0 (conditions {digest} here, "
          f"{given['refused']} there); give all of them the same weights, data, flags and code"
        )
      if "finished" in given:
        return
      if "waits" in given:
        time.sleep(_PAUSE)
        yield ""
        continue
      self._part = given["part"] if given["shared"] else None
      try:
        results = compute(given["part"], given["keys"])
        self._companions.ask({"ask": "put", "part": given["part"], "results": results})
      except Finished:
        pass
      finally:
        self._part = None
      yield given["part"]

  def logits(self, images: np.ndarray, compute: Logits, *, kept: bool = False) -> np.ndarray:
    """The logits of images, of which other processes may compute some.

    Args:
      images: uint8 `[N, H, W, 3]`.
      compute: this process's classifier.
      kept: whether other parts want them too.

    Raises:
      Finished: nobody wants them any more.
    """
    blocks = -(-len(images) // self._block)
    if blocks < 2 or (self._part is None and not kept):
      return compute(images)
    digest = hashlib.sha1(np.ascontiguousarray(images).data, usedforsecurity=False)
    digest.update(f"{images.shape}".encode())
    part = "" if kept else self._part
    name, own = f"{digest.hexdigest()} of {part}", dict[int, np.ndarray]()
    while True:
      given = self._ask({"ask": "block", "images": name, "part": part, "blocks": blocks})
      if "complete" in given:
        break
      if "waits" in given:
        time.sleep(_PAUSE)
        continue
      block = given["block"]
      own[block] = np.asarray(compute(images[block * self._block : (block + 1) * self._block]))
      about = {"ask": "answered", "images": name, "block": block, "dtype": own[block].dtype.str}
      self._companions.ask(about, np.ascontiguousarray(own[block]).tobytes())
    return np.concatenate(
      [
        own[block] if block in own else self._fetch(name, block, len(images))
        for block in range(blocks)
      ]
    )

  def _fetch(self, images: str, block: int, count: int) -> np.ndarray:
    answer, content = self._companions.ask({"ask": "fetch", "images": images, "block": block})
    if "finished" in answer:
      raise Finished
    size = min(self._block, count - block * self._block)
    return np.frombuffer(content, answer["dtype"]).reshape(size, -1)

  def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
    answer, _ = self._companions.ask(what)
    if "finished" in answer:
      raise Finished
    return answer

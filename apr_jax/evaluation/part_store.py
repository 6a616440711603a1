"""Results of finished parts on disk, so that an interrupted evaluation goes on where it stopped.

A line is [key of the evaluator, name of the part, result, CRC-32 of these three]: a line that a
disk has damaged is not taken for a number.
"""

import hashlib
import json
import pathlib
import sys
import zlib
from typing import Any

from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.files import Lines


def key_of(evaluator: Evaluator) -> str:
  """Names the class of an evaluator and its options: under others, nothing of this one is found.

  Not the name of the suite: the same parts are those of every suite that asks for them.
  """
  kind = type(evaluator)
  text = json.dumps([kind.__module__, kind.__qualname__, options(evaluator)], sort_keys=True)
  return f"{kind.__name__}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class PartStore:
  """Appends each finished part to a file of its own for everything the results depend on.

  An evaluation of something else, of fewer images say, therefore forgets nothing of this one.

  Attributes:
    digest: names the fingerprint in eight hexadecimal digits.
  """

  def __init__(self, folder: pathlib.Path, fingerprint: Any):
    """Opens `folder/parts-DIGEST.jsonl`; `fingerprint` is a JSON value, its first line.

    Says on stderr, in a line, if others than the last one are damaged.
    """
    self.digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:8]
    place = folder / f"parts-{self.digest}.jsonl"
    self._lines = Lines(place)
    self._results, damaged = _read(self._lines)
    if damaged:
      print(
        f"{place}: {damaged} line(s) are damaged, and their parts are computed again",
        file=sys.stderr,
      )
    # Rewritten, so that half a line of a killed process does not stay in the middle.
    lines = [
      fingerprint,
      *(_line(key, name, result) for (key, name), result in self._results.items()),
    ]
    self._lines.start([json.dumps(line) for line in lines])

  def get(self, key: str, name: str) -> Any:
    """The result of a finished part, or None.

    Args:
      key: of the evaluator, `key_of`.
      name: of the part.
    """
    return self._results.get((key, name))

  def put(self, key: str, name: str, result: Any) -> None:
    """Records a finished part; it is on disk when this returns.

    A dict with the key "missing" is kept in memory only: what was missing may be there the next
    time.
    """
    self._results[key, name] = result
    if isinstance(result, dict) and "missing" in result:
      return
    self._lines.append(json.dumps(_line(key, name, result)))


def _line(key: str, name: str, result: Any) -> list[Any]:
  as_read = json.loads(json.dumps([key, name, result]))  # keys are texts, whatever they were
  content = json.dumps(as_read, sort_keys=True)
  return [key, name, result, zlib.crc32(content.encode())]


def _read(stored: Lines) -> tuple[dict[tuple[str, str], Any], int]:
  """The results of the whole lines, and how many others are not whole. The last line of a killed
  process is no damage.
  """
  results, damaged = {}, []
  lines = stored.read()[1:]
  for line in lines:
    try:
      key, name, result, _ = values = json.loads(line)
      whole = values == _line(key, name, result)
    except (ValueError, TypeError, RecursionError):
      whole = False
    if whole:
      results[str(key), str(name)] = result
    damaged.append(not whole)
  return results, sum(damaged[:-1])

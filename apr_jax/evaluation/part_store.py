"""Results of finished parts on disk, so that an interrupted evaluation goes on where it stopped."""

import hashlib
import json
import os
import pathlib
from typing import Any

from apr_jax.files import write_text


class PartStore:
  """Appends each finished part to a file of its own for everything the results depend on.

  An evaluation of something else, of fewer images say, therefore forgets nothing of this one.

  Attributes:
    digest: names the fingerprint in eight hexadecimal digits.
  """

  def __init__(self, folder: pathlib.Path, fingerprint: Any):
    """Opens `folder/parts-DIGEST.jsonl`; `fingerprint` is a JSON value, its first line."""
    self.digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:8]
    self._path = folder / f"parts-{self.digest}.jsonl"
    self._results = _read(self._path)
    # Rewritten, so that half a line of a killed process does not stay in the middle.
    lines = [
      fingerprint,
      *([suite, name, result] for (suite, name), result in self._results.items()),
    ]
    write_text(self._path, "".join(json.dumps(line) + "\n" for line in lines))

  def get(self, suite: str, name: str) -> Any:
    """The result of a finished part, or None."""
    return self._results.get((suite, name))

  def put(self, suite: str, name: str, result: Any) -> None:
    """Records a finished part; it is on disk when this returns.

    A dict with the key "missing" is kept in memory only: what was missing may be there the next
    time.
    """
    self._results[suite, name] = result
    if isinstance(result, dict) and "missing" in result:
      return
    with self._path.open("a", encoding="utf-8") as file:
      file.write(json.dumps([suite, name, result]) + "\n")
      file.flush()
      os.fsync(file.fileno())


def _read(path: pathlib.Path) -> dict[tuple[str, str], Any]:
  """The results up to the first line that is damaged: the last one of a killed process, or anything
  after it.
  """
  results = {}
  lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
  for line in lines[1:]:
    try:
      suite, name, result = json.loads(line)
      results[str(suite), str(name)] = result
    except (ValueError, TypeError):
      break
  return results

"""Results of finished parts on disk, so that an interrupted evaluation goes on where it stopped."""

import json
import os
import pathlib
from typing import Any

PARTS = "parts.jsonl"


class PartStore:
  """Appends each finished part to `parts.jsonl`, whose first line says what was evaluated.

  Attributes:
    folder: where the file lies; must exist.
    fingerprint: JSON value of everything the results depend on. Parts of another fingerprint are forgotten.
  """

  def __init__(self, folder: pathlib.Path, fingerprint: Any):
    self._path = folder / PARTS
    self._results = _read(self._path, fingerprint)
    # Rewritten, so that half a line of a killed process does not stay in the middle.
    lines = [fingerprint, *([suite, name, result] for (suite, name), result in self._results.items())]
    temporary = self._path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.replace(temporary, self._path)

  def get(self, suite: str, name: str) -> Any:
    """The result of a finished part, or None."""
    return self._results.get((suite, name))

  def put(self, suite: str, name: str, result: Any) -> None:
    """Records a finished part; it is on disk when this returns."""
    self._results[suite, name] = result
    with self._path.open("a") as file:
      file.write(json.dumps([suite, name, result]) + "\n")


def _read(path: pathlib.Path, fingerprint: Any) -> dict[tuple[str, str], Any]:
  results = {}
  if not path.exists():
    return results
  for number, line in enumerate(path.read_text().splitlines()):
    try:
      value = json.loads(line)
    except ValueError:  # a killed process wrote half a line, its last
      break
    if number == 0 and value != json.loads(json.dumps(fingerprint)):
      break
    if number > 0:
      suite, name, result = value
      results[suite, name] = result
  return results

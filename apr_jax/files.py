"""Files that are written whole: a killed process leaves the old one or the new one."""

import json
import os
import pathlib
from typing import Any


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes a file under another name and then renames it.

  Raises:
    OSError: the file cannot be written.
  """
  temporary = path.with_name(path.name + ".tmp")
  temporary.write_bytes(content)
  os.replace(temporary, path)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text in UTF-8 as `write_bytes` does."""
  write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes a JSON value as `write_text` does."""
  write_text(path, json.dumps(value, indent=2) + "\n")

"""`sums.json` in the folder of a checkpoint: size and MD5 of each of its files, by which one that a
disk has damaged is told from one that is as it was written.

    {"model/_METADATA": [289, "1B2M2Y8AsgTpgAmY7PhCfg=="], ...,
     "config.json": {"model.name": "allconv", "model.mean": [0.49, 0.48, 0.45], ...}}

Of `config.json`, which is no part of the checkpoint, it holds what says which network this is.
It is written when all else is there and before the checkpoint counts, so that what counts has it.
Only checkpoints of earlier versions have none, and are taken as they are.
"""

import base64
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from apr_jax import files
from apr_jax.errors import one_line

SUMS = "sums.json"
_CONFIG = "config.json"


class Sum(NamedTuple):
  """What tells whether a file is the one that was written.

  Attributes:
    size: in bytes.
    md5: in base64; None where a store knows none. It guards against damage and not against malice,
      and a store says it of an object without sending it.
  """

  size: int
  md5: str | None


def write(folder: pathlib.Path, config: Mapping[str, Any]) -> None:
  """Writes the sums of what lies in the parts of a checkpoint.

  Args:
    folder: of the checkpoint.
    config: the values that say which network it is, `configuration.of_network`.

  Raises:
    OSError: they cannot be written.
  """
  # Beside the parts lies what Orbax still writes to, and reads for itself alone.
  of_parts = {name: sums for name, sums in _sums_of(folder).items() if "/" in name}
  files.write_text(folder / SUMS, json.dumps({**of_parts, _CONFIG: config}) + "\n")


def are_there(folder: pathlib.Path) -> bool:
  """Whether the checkpoint has sums."""
  return files.is_file(folder / SUMS)


def config_of(folder: pathlib.Path) -> dict[str, Any]:
  """What `write` was given as `config`; {} without sums."""
  return files.read_json(folder / SUMS).get(_CONFIG, {}) if are_there(folder) else {}


def damage(folder: pathlib.Path, parts: Sequence[str]) -> str:
  """What is wrong with these parts of a checkpoint, such as "model/_METADATA is missing"; "" for
  nothing, or where no sums tell.
  """
  for part in parts:
    if not files.is_dir(folder / part):
      return f"{part} is missing"
  if not are_there(folder):
    return ""
  try:
    written = files.read_json(folder / SUMS)
    expected = {
      name: Sum(*sums) for name, sums in written.items() if name.partition("/")[0] in parts
    }
    found = {
      f"{part}/{name}": sums for part in parts for name, sums in _sums_of(folder / part).items()
    }
  except (OSError, ValueError, TypeError, AttributeError) as error:
    return f"{SUMS} or what it tells of cannot be read: {one_line(error)}"
  for name, sums in expected.items():
    if name not in found:
      return f"{name} is missing"
    if found[name].size != sums.size:
      return f"{name} has {found[name].size} bytes of {sums.size}"
    if None not in (found[name].md5, sums.md5) and found[name].md5 != sums.md5:
      return f"{name} is not what was written"
  return "" if expected else f"{SUMS} tells of none of its files"


def _sums_of(folder: pathlib.Path) -> dict[str, Sum]:
  """Of all files of a folder, at any depth, by their paths inside it."""
  if not files.is_address(folder):
    inside = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): _sum_of(file) for file in inside}
  prefix = os.fspath(folder).removeprefix("gs://").rstrip("/") + "/"
  with files.store_errors():
    found = files.store().find(prefix, detail=True)
  return {
    name.removeprefix(prefix): Sum(int(info["size"]), info.get("md5Hash"))
    for name, info in sorted(found.items())
  }


def _sum_of(file: pathlib.Path) -> Sum:
  with file.open("rb") as content:
    digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    return Sum(content.tell(), base64.b64encode(digest.digest()).decode())

"""Writes docs/reference/licences.md: the licence of every dependency that `make` installs.

    make licences

A licence is what the distribution says of itself: its expression, else its field, else its
classifiers. What is not installed on this system cannot be asked.
"""

import importlib.metadata
import pathlib
import re
from collections import Counter
from email.message import Message

from packaging.utils import canonicalize_name

from requirements.lock import EXTRAS

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference" / "licences.md"
FILES = sorted(("build", *EXTRAS))
NOT_HERE = "not for this system"
SILENT = "see its file LICENSE"
_HEADER = """# Licences of the dependencies

What `make` installs, and which file of `requirements/` says so. A licence is what the distribution
says of itself. `make licences` writes this page.
[What is pinned, and what is to be known of copyleft](../explanation/supply.md#licences).

| licence | distributions |
|---|---|
"""


def main() -> None:
  files = pinned()
  licences = {name: licence_of(name) for name in files}
  lines = [
    f"| {licence} | {count} |\n"
    for licence, count in sorted(Counter(licences.values()).items(), key=lambda item: -item[1])
  ]
  lines.append("\n| distribution | licence | in |\n|---|---|---|\n")
  lines += [
    f"| {name} | {licences[name]} | {', '.join(where)} |\n" for name, where in files.items()
  ]
  PAGE.write_text(_HEADER + "".join(lines), encoding="utf-8")


def pinned() -> dict[str, list[str]]:
  """{distribution: the files that pin it}, sorted."""
  found: dict[str, list[str]] = {}
  for file in FILES:
    text = (HERE / f"{file}.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE):
      found.setdefault(canonicalize_name(name), []).append(f"{file}.txt")
  return dict(sorted(found.items()))


def licence_of(name: str) -> str:
  """The licence of an installed distribution, in one line."""
  try:
    return said_in(importlib.metadata.metadata(name))
  except importlib.metadata.PackageNotFoundError:
    return NOT_HERE


def said_in(metadata: Message) -> str:
  """The licence that metadata name, in one line."""
  field = (metadata.get("License-Expression") or metadata.get("License") or "UNKNOWN").strip()
  title = field.split("\n", 1)[0]  # of a whole text
  if title in _SPELLINGS:
    return _SPELLINGS[title]
  if title == field != "UNKNOWN":
    return field
  classifiers = metadata.get_all("Classifier") or []
  names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
  return " or ".join(_SPELLINGS.get(name, name) for name in names) or SILENT


# {what is written there: the name in SPDX's list}, where it says which one is meant.
_SPELLINGS = {
  "3-Clause BSD License": "BSD-3-Clause",
  "Apache 2.0": "Apache-2.0",
  "Apache License 2.0": "Apache-2.0",
  "Apache Software License": "Apache",
  "BSD 3": "BSD-3-Clause",
  "BSD 3-Clause": "BSD-3-Clause",
  "BSD 3-Clause License": "BSD-3-Clause",
  "BSD License": "BSD",
  "ISC License (ISCL)": "ISC",
  "ISC license": "ISC",
  "MIT License": "MIT",
  "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
  "PSFL": "PSF-2.0",
  "Python Software Foundation License": "PSF",
}


if __name__ == "__main__":
  main()

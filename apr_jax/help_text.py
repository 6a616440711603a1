"""What --help prints: the command's docstring, then its flags in groups, a paragraph each.

A command names its groups, the most used first. Flags that no group names come last.
"""

import textwrap
from collections.abc import Mapping, Sequence

from absl import flags

Groups = Mapping[str, Sequence[str]]
"""{title: names of flags}, in the order in which they are shown."""

_COLUMN, _WIDTH = 24, 96
_TAKES = {
  "int": "N",
  "float": "X",
  "comma separated list of strings": "A,B",
  "config object": "FILE.py",
}
_PATHS = {"workdir": "DIR", "data_dir": "DIR", "out": "PATH"}


def help_text(about: str, values: flags.FlagValues, groups: Groups) -> str:
  """The whole text.

  Args:
    about: the command's docstring.
    values: its flags.
    groups: of some of them, or of all.
  """
  named = {name for names in groups.values() for name in names}
  own = {flag.name for found in values.flags_by_module_dict().values() for flag in found}
  rest = "Other flags" if groups else "Flags"
  blocks = [about.strip()]
  for title, names in (*groups.items(), (rest, sorted(own - named))):
    if names:
      blocks.append("\n".join([f"{title}:", *(_paragraph(values[name]) for name in names)]))
  return "\n\n".join(blocks)


def two_columns(left: str, right: str) -> str:
  """A name and its meaning, which is wrapped beside it."""
  lines = textwrap.wrap(right, _WIDTH - _COLUMN) or [""]
  first = f"  {left}".ljust(_COLUMN)
  if len(first) > _COLUMN or first[-1] != " ":
    lines.insert(0, "")
  margin = " " * _COLUMN
  return "\n".join([(first + lines[0]).rstrip(), *(margin + line for line in lines[1:])])


def _paragraph(flag: flags.Flag) -> str:
  """A flag with what it takes, its meaning and its default."""
  if flag.boolean:
    name = f"--[no]{flag.name}"
  else:
    takes = _PATHS.get(flag.name) or _TAKES.get(flag.flag_type(), "TEXT")
    name = f"--{flag.name} {takes}"
  meaning = flag.help.split(";\n")[0].strip()
  if flag.default not in (None, "", []) and not flag.boolean and "default" not in meaning:
    shown = ",".join(flag.default) if isinstance(flag.default, list) else flag.default
    meaning += f" Default: {shown}."
  return two_columns(name, meaning)

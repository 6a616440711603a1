"""The options of a study from the command line: "KEY=VALUE", held to their rules."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from apr_jax import settings
from apr_jax.errors import UserError, lookup
from apr_jax.studies.study import Study


def make(name: str, cls: type[Study], quick: bool, texts: Sequence[str]) -> Study:
  """The study with its options.

  Args:
    name: of the study, for messages.
    cls: the study.
    quick: begin with the options of its small size.
    texts: "OPTION=VALUE" each; the value as Python writes it, "A,B" for a tuple, or a plain text.

  Raises:
    UserError: there is no such option, or the value is of another type or breaks its rule.
  """
  values = {field.name: field.default for field in dataclasses.fields(cls)}
  values |= dict(cls.quick) if quick else {}
  for text in texts:
    option, equals, given = text.partition("=")
    if not equals:
      raise UserError(f"an option is OPTION=VALUE, such as seed=1; got {text!r}")
    default = lookup(values, option, f"option of the study {name}")
    values[option] = _value(given, default, option)
  settings.check(cls, values, f"the option of {name},")
  return cls(**values)


def explain(cls: type[Study]) -> list[str]:
  """One line per option: name, default, what it means."""
  return [
    f"  {field.name}={_shown(field.default)}: {field.metadata['about']}"
    for field in dataclasses.fields(cls)
  ]


def _shown(value: Any) -> str:
  return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _value(text: str, default: Any, option: str) -> Any:
  """The value of an option, of the type of its default."""
  if isinstance(default, str):
    return text
  if isinstance(default, tuple):
    of = type(default[0]) if default else str
    return tuple(_value(part, of(), option) for part in text.split(",") if part)
  return settings.from_text(text, default, option)

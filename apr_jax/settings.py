"""Settings: each stands once, as a field of a dataclass with its default, explanation and rule.

    @dataclasses.dataclass(frozen=True)
    class Cutout:
      size: int = setting(0, "side of the blanked square in pixels; 0 = off", at_least(0))

    section(Cutout)                              # ConfigDict(size=0)
    check(Cutout, {"size": -1}, "augment.cutout")  # augment.cutout.size must be 0 or more, got -1
    read(Cutout, {"size": 16})                   # Cutout(size=16)

A configuration is made of such sections, checked by their rules and read back into the objects that
do the work. What concerns two settings at once is a rule of neither: `experiment.check` knows it.
"""

import ast
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from apr_jax.errors import UserError

if TYPE_CHECKING:
  import ml_collections


class SectionLike(Protocol):
  """An instance of a section: of a dataclass whose fields `setting` made."""

  __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Section = TypeVar("Section", bound=SectionLike)


@dataclasses.dataclass(frozen=True)
class Rule:
  """What values a setting may have.

  Attributes:
    text: the rule in words that follow "must be".
    holds: whether a value keeps it.
  """

  text: str
  holds: Callable[[Any], bool] = dataclasses.field(repr=False, compare=False)

  def __call__(self, value: Any) -> bool:
    """Whether the value keeps the rule."""
    return self.holds(value)


def at_least(least: float) -> Rule:
  """`least` or more."""
  return Rule(f"{least} or more", lambda value: value >= least)


def above(limit: float, at_most: float | None = None) -> Rule:
  """Above `limit` and, if it is given, at most `at_most`."""
  if at_most is None:
    return Rule(f"above {limit}", lambda value: value > limit)
  return Rule(f"above {limit} and at most {at_most}", lambda value: limit < value <= at_most)


def between(least: float, most: float, text: str | None = None) -> Rule:
  """From `least` to `most`, both included."""
  return Rule(text or f"in {least}..{most}", lambda value: least <= value <= most)


def from_to_below(least: float, limit: float) -> Rule:
  """From `least`, which is included, to `limit`, which is not."""
  return Rule(f"from {least} to below {limit}", lambda value: least <= value < limit)


def share() -> Rule:
  """A probability or another part of a whole, 0..1."""
  return between(0, 1)


def one_of(known: Iterable[str], *, or_empty: bool = False) -> Rule:
  """A name among the known ones, or "" where `or_empty` says so."""
  known = tuple(known)
  text = ("empty or " if or_empty else "") + f"one of {', '.join(known)}"
  return Rule(text, lambda value: value in known or (or_empty and value == ""))


def numbers(text: str, count: int | None = None, holds: Callable | None = None) -> Rule:
  """A tuple of numbers.

  Args:
    text: the rule in words.
    count: how many there must be; None leaves it open.
    holds: what else the tuple must keep.
  """

  def keeps(values: tuple) -> bool:
    return (
      all(isinstance(value, (int, float)) for value in values)
      and count in (None, len(values))
      and (holds is None or holds(values))
    )

  return Rule(text, keeps)


def names(of_what: str) -> Rule:
  """A tuple of names or paths. ml_collections makes the one name "A,B" of A,B: that is refused."""

  def is_name(value: Any) -> bool:
    if not isinstance(value, str) or not value:
      return False
    return "," not in value or ":" in value or "/" in value

  return Rule(
    f"{of_what}, ('A', 'B'), without commas", lambda values: all(is_name(v) for v in values)
  )


_AS_DEFAULT = object()


def setting(default: Any, about: str, rule: Rule | None = None, before: Any = _AS_DEFAULT) -> Any:
  """A field of a section.

  Args:
    default: its default, which also says its type.
    about: what it is: unit, source, and what its special values mean.
    rule: what values it may have; None: all of its type.
    before: the value that leaves things as they were before the setting existed, for runs that are
      older than it; default: the default.

  Returns:
    a `dataclasses.field` with "about", "rule" and "before" as its metadata.
  """
  before = default if before is _AS_DEFAULT else before
  return dataclasses.field(
    default=default, metadata={"about": about, "rule": rule, "before": before}
  )


def section(cls: type) -> "ml_collections.ConfigDict":
  """The defaults of a section, as a part of a configuration."""
  # The augmentations, which have settings too, work where this library is not installed.
  import ml_collections

  return ml_collections.ConfigDict({field.name: field.default for field in dataclasses.fields(cls)})


def check(cls: type, values: Mapping[str, Any], prefix: str = "") -> None:
  """Holds the values of a section to the rules of its fields.

  Args:
    cls: the section.
    values: of all of its fields; others are not looked at.
    prefix: the section's name in the configuration, for the message; "" for none.

  Raises:
    UserError: a value breaks its rule, or is not finite.
  """
  for field in dataclasses.fields(cls):
    rule, value = field.metadata["rule"], values[field.name]
    key = f"{prefix}.{field.name}" if prefix else field.name
    several = value if isinstance(value, tuple) else (value,)
    if any(isinstance(one, float) and not math.isfinite(one) for one in several):
      raise UserError(f"{key} must be finite, got {value!r}")
    if rule is not None and not rule(value):
      raise UserError(f"{key} must be {rule.text}, got {value!r}")


def read(cls: type[Section], values: Mapping[str, Any]) -> Section:
  """The section with the values of a configuration.

  A key that is not there is younger than the configuration: it has the value that leaves things as
  they were.
  """
  return cls(
    **{
      field.name: values[field.name] if field.name in values else field.metadata["before"]
      for field in dataclasses.fields(cls)
    }
  )


def from_text(text: str, default: Any, name: str) -> Any:
  """The value that a text of the command line gives an option, of the type of its default.

  Args:
    text: as Python writes the value, or a plain text.
    default: what the option has now; None takes any type.
    name: of the option, for the message.

  Raises:
    UserError: the value is of another type.
  """
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    value = text
  if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
    value = float(value)
  if default is not None and type(value) is not type(default):
    kind = type(default).__name__
    raise UserError(f"the option {name} is of type {kind}, such as {default!r}; got {text!r}")
  return value


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Nested keys joined by dots: {"model": {"name": "x"}} → {"model.name": "x"}."""
  flat: dict[str, Any] = {}
  for key, value in values.items():
    flat |= (
      flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    )
  return flat

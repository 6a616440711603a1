"""Settings as fields: their rules, the sections they make, and their way back."""

import dataclasses
import math

import pytest

from apr_jax import settings
from apr_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Drawing:
  side: int = settings.setting(2, "pixels", settings.at_least(0))
  color: str = settings.setting("red", "of the line", settings.one_of(("red", "blue")))
  dashed: bool = settings.setting(False, "whether the line is")
  width: float = settings.setting(3.0, "pixels; once it was 1", settings.above(0), before=1.0)


@pytest.mark.parametrize(
  "rule, text, kept, broken",
  [
    (settings.at_least(0), "0 or more", [0, 3.5], [-1, math.nan]),
    (settings.above(0), "above 0", [1e-9], [0, -1, math.nan]),
    (
      settings.above(0.1, at_most=10),
      "above 0.1 and at most 10",
      [0.11, 10],
      [0.1, 10.5, math.nan],
    ),
    (settings.between(0, 255), "in 0..255", [0, 255], [-1, 256]),
    (settings.between(0, 2**32 - 1, "in 0..2^32-1"), "in 0..2^32-1", [0, 2**32 - 1], [2**32]),
    (settings.share(), "in 0..1", [0, 0.5, 1], [-0.1, 1.01, math.nan]),
    (settings.from_to_below(0, 1), "from 0 to below 1", [0, 0.99], [1, -0.1]),
    (settings.one_of(("a", "b")), "one of a, b", ["a", "b"], ["", "c"]),
    (settings.one_of(("a", "b"), or_empty=True), "empty or one of a, b", ["", "a"], ["c"]),
    (settings.numbers("three numbers", 3), "three numbers", [(1, 2, 0.5)], [(1, 2), ("1", 2, 3)]),
    (settings.numbers("some above 0", holds=lambda v: min(v) > 0), "some above 0", [(1,)], [(0,)]),
    (
      settings.names("folders"),
      "folders, ('A', 'B'), without commas",
      [(), ("a", "b"), ("npz:a,b",), ("/a,b",)],
      [("a,b",), ("",), (3,)],
    ),
  ],
)
def test_rules_say_what_they_hold(rule, text, kept, broken):
  assert rule.text == text
  assert all(rule(value) for value in kept)
  assert not any(rule(value) for value in broken)


def test_a_section_has_the_defaults():
  assert settings.section(Drawing).to_dict() == dataclasses.asdict(Drawing())


@pytest.mark.parametrize(
  "prefix, changed, message",
  [
    ("art.drawing", {"side": -1}, "art.drawing.side must be 0 or more, got -1"),
    ("", {"color": "green"}, "color must be one of red, blue, got 'green'"),
    ("art", {"width": 0.0}, "art.width must be above 0, got 0.0"),
  ],
)
def test_check_names_the_key_its_rule_and_its_value(prefix, changed, message):
  settings.check(Drawing, dataclasses.asdict(Drawing()), prefix)
  with pytest.raises(UserError) as error:
    settings.check(Drawing, dataclasses.asdict(Drawing()) | changed, prefix)
  assert str(error.value) == message


def test_read_takes_for_a_key_that_is_not_there_what_it_was_before():
  whole = settings.section(Drawing)
  assert settings.read(Drawing, whole) == Drawing()
  assert settings.read(Drawing, {"side": 4}) == Drawing(side=4, width=1.0)


def test_flatten_joins_keys_by_dots():
  assert settings.flatten({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}

"""Configurations and results come back as they were written, and no combination of options is taken
that the parts refuse.
"""

import dataclasses
import json
import pathlib
import tempfile

import pytest
from hypothesis import given, strategies as st

from apr_jax import defaults, experiment, settings
from apr_jax.augment.methods import METHODS
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.errors import UserError
from apr_jax.evaluation.part_store import PartStore
from apr_jax.run import configuration

FIELDS = [
  (place, field) for place, cls in defaults.sections().items() for field in dataclasses.fields(cls)
]
# Of each type of a setting values of all kinds, at and beyond the edges of their rules.
VALUES = {
  bool: st.booleans(),
  int: st.sampled_from([-(2**70), -1, 0, 1, 2, 3, 7, 255, 256, 2**32 - 1, 2**32]),
  float: st.sampled_from(
    [-1.0, 0.0, 1e-9, 0.05, 0.5, 1.0, 1.5, 255.0, 1e30, *map(float, ("inf", "-inf", "nan"))]
  ),
  str: st.sampled_from(["", "sgd", "lars", "step", "clip", "stay", "x", "../x", "a,b", "\n", "é"]),
  tuple: st.sampled_from([(), (0, 0), (1.0,), (3, 2), (2, 3), ("a",), (0.5,) * 3, (-1.0,) * 3]),
}


def key_of(place, field):
  return f"{place}.{field.name}" if place else field.name


@st.composite
def changes(draw):
  """{key: value} of one to four keys."""
  fields = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4))
  return {key_of(*field): draw(VALUES[type(field[1].default)]) for field in fields}


def changed(values):
  config = defaults.get_config()
  config.update_from_flattened_dict(values)
  return config


def refusal(function, *arguments):
  """The line of a refusal; None for none. Any other exception is a failure."""
  try:
    function(*arguments)
  except UserError as error:
    assert str(error) and "\n" not in str(error)
    return str(error)
  return None


@given(values=changes())
def test_a_configuration_comes_back_as_it_was_written(values):
  config = changed(values)
  if refusal(experiment.check, config):
    return
  with tempfile.TemporaryDirectory() as folder:
    configuration.write_config(folder, config)
    assert configuration.read_config(folder).to_dict() == config.to_dict()
    configuration.check_config(folder, config)


@given(values=changes())
def test_a_value_that_breaks_its_rule_is_named(values):
  wrong = []
  for place, field in FIELDS:
    key, rule = key_of(place, field), field.metadata["rule"]
    if key in values and rule is not None and not rule(values[key]):
      wrong.append(key)
  line = refusal(experiment.check, changed(values))
  if wrong:
    assert line and (any(key in line for key in wrong) or any(key in line for key in values))


@given(
  chosen=st.sets(st.sampled_from(sorted(METHODS)), max_size=4),
  strength=st.sampled_from([0.3, 1.0, 2.0, 8.0]),
)
def test_what_is_checked_can_be_built(chosen, strength):
  config = defaults.get_config()
  for name in sorted(chosen):
    for field in dataclasses.fields(METHODS[name]):
      if field.default == 0 and type(field.default) in (int, float):
        config.augment[name][field.name] = type(field.default)(strength)
      elif field.default is False and field.name == "on":
        config.augment[name][field.name] = True
  line = refusal(experiment.check, config)
  if line is None:
    made = refusal(make_augmentation, config.augment, 10)
    assert made is None, "it was taken, and cannot be built"


JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
  max_leaves=8,
)


@given(results=st.dictionaries(st.text(), JSON, min_size=1, max_size=5))
def test_results_come_back_as_they_were_written(results):
  kept = {name: value for name, value in results.items() if value is not None}
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    store = PartStore(folder, {"of": "these"})
    for part, value in kept.items():
      store.put("suite", part, value)
    again = PartStore(folder, {"of": "these"})
    for part, value in kept.items():
      if not (isinstance(value, dict) and "missing" in value):
        assert again.get("suite", part) == value
    lines = next(folder.glob("parts-*")).read_text().splitlines()
    assert all(json.loads(line) for line in lines)


@pytest.mark.parametrize("text", ["__import__('os')", "1+1", "[x for x in ()]", "f'{1}'"])
def test_a_text_of_the_command_line_is_never_evaluated(text):
  with pytest.raises(UserError):
    settings.from_text(text, 3, "option")
  assert settings.from_text(text, "x", "option") == text

"""Every key: it has an explanation, and a default that keeps its rule."""

import dataclasses

import pytest

from apr_jax import defaults
from apr_jax.settings import flatten

FIELDS = [
  (place, field)
  for place, section in defaults.sections().items()
  for field in dataclasses.fields(section)
]


@pytest.mark.parametrize(
  "place, field", FIELDS, ids=[f"{place}.{field.name}" for place, field in FIELDS]
)
def test_a_key_has_an_explanation_and_a_default_that_keeps_its_rule(place, field):
  assert field.metadata["about"]
  rule = field.metadata["rule"]
  for value in (field.default, field.metadata["before"]):
    assert type(value) is type(field.default)
    assert rule is None or (rule.text and rule(value))


def test_the_configuration_is_made_of_the_sections():
  keys = [f"{place}.{field.name}".removeprefix(".") for place, field in FIELDS]
  flat = flatten(defaults.get_config().to_dict())
  assert len(keys) == len(set(keys)) and flat.keys() == set(keys)
  assert flat == {key: field.default for key, (_, field) in zip(keys, FIELDS)}


def test_keys_that_users_rely_on_keep_their_names():
  flat = flatten(defaults.get_config().to_dict())
  for place, names in {
    "": "seed epochs batch_size log_every_steps eval_every_epochs",
    "data.": "name data_dir limit",
    "model.": "name dtype sync_batch_norm",
    "optimizer.": "name learning_rate momentum nesterov weight_decay",
    "schedule.": "name boundaries_epochs factor warmup_epochs",
    "augment.": "crop_padding crop_fill flip",
    "augment.apr_p.": "prob per_image",
    "augment.apr_s.": "prob severity overflow",
    "checkpoint.": "every_steps keep",
  }.items():
    assert {place + name for name in names.split()} <= flat.keys()


def test_sections_have_docstrings():
  # A dataclass without one gets its signature.
  assert not [s for s in defaults.sections().values() if s.__doc__.startswith(s.__name__ + "(")]


def test_it_is_locked_and_new_each_time():
  config = defaults.get_config()
  for section in (config, config.augment, config.augment.apr_s, config.model):
    with pytest.raises(AttributeError):
      section.tpyo = 1
  with pytest.raises(TypeError):
    config.batch_size = "many"
  config.augment.apr_s.prob = 1.0
  assert defaults.get_config().augment.apr_s.prob == 0


@pytest.mark.parametrize("place", defaults.sections())
def test_section_at_is_the_section_of_its_place(place):
  found = defaults.section_at(defaults.get_config(), place)
  assert set(found.keys()) >= {
    field.name for field in dataclasses.fields(defaults.sections()[place])
  }

"""config.json: what is stored, what a continued run may change, and damaged files."""

import json

import pytest

from apr_jax.errors import UserError
from apr_jax.run import configuration


def config(**overrides):
  from configs import base

  made = base.get_config()
  made.update_from_flattened_dict(
    {key.replace("__", "."): value for key, value in overrides.items()}
  )
  return made


def test_the_configuration_survives_with_its_tuples_and_its_lock(tmp_path):
  stored = config(model__image_size=(32, 48), epochs=7)
  configuration.adopt_config(tmp_path / "new" / "run", stored)
  read = configuration.read_config(tmp_path / "new" / "run")
  assert read.to_dict() == stored.to_dict()
  assert read.model.image_size == (32, 48) and read.schedule.boundaries_epochs == (
    60,
    120,
    160,
    190,
  )
  with pytest.raises(AttributeError):
    read.epoch = 1


def test_config_json_is_plain_json_with_nothing_beside_it(tmp_path):
  configuration.adopt_config(tmp_path, config())
  assert json.loads((tmp_path / "config.json").read_text())["augment"]["apr_p"]["prob"] == 0
  assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
  "overrides, words",
  [
    ({"optimizer__learning_rate": 0.2}, ["optimizer.learning_rate (0.1 there, 0.2 now)"]),
    (
      {"seed": 5, "model__name": "x"},
      ["model.name ('wide_resnet_40_2' there, 'x' now)", "seed (0 there, 5 now)"],
    ),
    ({"data__limit": 100}, ["data.limit (0 there, 100 now)"]),
    ({"batch_size": 64}, ["batch_size (128 there, 64 now)"]),
    ({"augment__apr_p__prob": 0.6}, ["augment.apr_p.prob (0.0 there, 0.6 now)"]),
    (
      {"schedule__boundaries_epochs": (1, 2)},
      ["schedule.boundaries_epochs ((60, 120, 160, 190) there, (1, 2) now)"],
    ),
  ],
)
def test_another_configuration_is_refused_and_nothing_changes(tmp_path, overrides, words):
  configuration.adopt_config(tmp_path, config())
  before = (tmp_path / "config.json").read_bytes()
  with pytest.raises(UserError) as error:
    configuration.adopt_config(tmp_path, config(epochs=3, **overrides))
  message = str(error.value)
  assert str(tmp_path) in message and all(word in message for word in words)
  assert message.count(" there, ") == len(words) and "\n" not in message
  assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize(
  "overrides",
  [
    {"epochs": 300},
    {"data__data_dir": "/elsewhere"},
    {"log_every_steps": 7},
    {"checkpoint__keep": 5},
    {"checkpoint__every_steps": 11},
    {"evaluation__batch_size": 10},
    {"evaluation__ood_sets": ("svhn_cropped",)},
    {"eval_every_epochs": 1},
    {"data__download": True},
    {"name": "renamed"},
  ],
)
def test_what_does_not_change_a_step_may_change_and_is_stored(tmp_path, overrides):
  configuration.adopt_config(tmp_path, config())
  changed = config(**overrides)
  configuration.adopt_config(tmp_path, changed)
  assert configuration.read_config(tmp_path).to_dict() == changed.to_dict()


def test_a_cosine_does_not_take_another_number_of_epochs(tmp_path):
  configuration.adopt_config(tmp_path, config(schedule__name="cosine"))
  configuration.adopt_config(tmp_path, config(schedule__name="cosine", data__data_dir="/elsewhere"))
  with pytest.raises(UserError, match=r"epochs \(200 there, 300 now\)"):
    configuration.adopt_config(tmp_path, config(schedule__name="cosine", epochs=300))
  # Nor does a run escape through another schedule.
  with pytest.raises(UserError, match="schedule.name"):
    configuration.adopt_config(tmp_path, config(epochs=300))


def test_keys_of_another_version_are_named(tmp_path):
  configuration.adopt_config(tmp_path, config())
  values = json.loads((tmp_path / "config.json").read_text())
  values["model"]["old"] = 3
  del values["augment"]["flip"]
  configuration.write_json(tmp_path / "config.json", values)
  with pytest.raises(UserError) as error:
    configuration.adopt_config(tmp_path, config())
  assert (
    "augment.flip (no such key there, True now), model.old (3 there, no such key now); use another --workdir, or "
    "the same values, with the version of apr_jax that has the same keys"
  ) in str(error.value)


@pytest.mark.parametrize("content", ["", "{", '{"seed": 1', "not json", "\x00\x01", "[1, 2]"])
def test_a_damaged_config_json_is_one_line_that_names_it(tmp_path, content):
  path = tmp_path / "config.json"
  path.write_text(content)
  for use in (
    lambda: configuration.read_config(tmp_path),
    lambda: configuration.adopt_config(tmp_path, config()),
  ):
    with pytest.raises(UserError) as error:
      use()
    assert str(path) in str(error.value) and "cannot be read" in str(error.value)
    assert "\n" not in str(error.value)
  assert path.read_text() == content


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_a_run_is_refused(tmp_path, name):
  (tmp_path / "empty").mkdir()
  with pytest.raises(UserError) as error:
    configuration.read_config(tmp_path / name)
  assert str(tmp_path / name) in str(error.value) and "holds no run" in str(error.value)


def test_a_workdir_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot be written"):
    configuration.adopt_config(tmp_path / "file" / "run", config())


def test_write_json_leaves_the_old_file_when_it_fails(tmp_path):
  path = tmp_path / "values.json"
  configuration.write_json(path, {"a": 1})
  with pytest.raises(TypeError):
    configuration.write_json(path, {"a": object()})
  assert json.loads(path.read_text()) == {"a": 1}


def test_flatten():
  assert configuration.flatten({"a": {"b": {"c": 1}, "d": (2, 3)}, "e": None}) == {
    "a.b.c": 1,
    "a.d": (2, 3),
    "e": None,
  }

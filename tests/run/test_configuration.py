"""config.json: what is stored, what a continued run may change, and damaged files."""

import json

import pytest

from apr_jax.errors import UserError
from apr_jax.files import write_json
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
    {"adversary__log_pgd": True},
  ],
)
def test_what_does_not_change_a_step_may_change_and_is_stored(tmp_path, overrides):
  configuration.adopt_config(tmp_path, config())
  changed = config(**overrides)
  configuration.adopt_config(tmp_path, changed)
  assert configuration.read_config(tmp_path).to_dict() == changed.to_dict()


def test_what_is_bookkeeping():
  bookkeeping = configuration.is_bookkeeping
  assert bookkeeping("checkpoint.keep", "digits") and bookkeeping("data.data_dir", "cifar10")
  assert not bookkeeping("seed", "digits") and not bookkeeping("data.limit", "digits")
  assert not bookkeeping("data.data_dir", "npz")  # it says which data set that is


def test_a_cosine_does_not_take_another_number_of_epochs(tmp_path):
  configuration.adopt_config(tmp_path, config(schedule__name="cosine"))
  configuration.adopt_config(tmp_path, config(schedule__name="cosine", data__data_dir="/elsewhere"))
  with pytest.raises(UserError, match=r"epochs \(200 there, 300 now\)"):
    configuration.adopt_config(tmp_path, config(schedule__name="cosine", epochs=300))
  # Nor does a run escape through another schedule.
  with pytest.raises(UserError, match="schedule.name"):
    configuration.adopt_config(tmp_path, config(epochs=300))


def older(workdir, *keys, **added):
  """A run of a version that had no such keys, and had the added ones."""
  configuration.adopt_config(workdir, config())
  values = json.loads((workdir / "config.json").read_text())
  for key in keys:
    *sections, name = key.split(".")
    section = values
    for inner in sections:
      section = section[inner]
    del section[name]
  write_json(workdir / "config.json", values | added)


def refusal(workdir, **overrides):
  """The one line that says why the run is not continued; nothing changes."""
  before = (workdir / "config.json").read_bytes()
  with pytest.raises(UserError) as error:
    configuration.adopt_config(workdir, config(**overrides))
  assert "\n" not in str(error.value) and str(workdir) in str(error.value)
  assert (workdir / "config.json").read_bytes() == before
  return str(error.value)


def test_a_run_older_than_a_key_is_read_with_the_value_that_changes_nothing(tmp_path):
  older(tmp_path, "augment.apr_p", "data.min_crop_area", "adversary")
  read = configuration.read_config(tmp_path)
  assert read.to_dict() == config().to_dict()
  assert isinstance(read.augment.apr_p, type(read)) and read.is_locked


def test_a_run_older_than_a_key_continues_with_the_value_that_changes_nothing(tmp_path):
  older(tmp_path, "augment.apr_p", "augment.flip", "adversary.random_start", "schedule.factor")
  configuration.adopt_config(tmp_path, config())
  stored = json.loads((tmp_path / "config.json").read_text())
  assert stored["augment"]["flip"] is True and stored["augment"]["apr_p"]["prob"] == 0


@pytest.mark.parametrize(
  "missing, overrides",
  [
    ("augment.patch_uniform", {"augment__patch_uniform__scale": 0.3}),
    ("augment.augmix.severity", {"augment__augmix__severity": 5.0}),
    ("model.first_layer", {"model__first_layer__beta": 2.0}),
    ("adversary", {"adversary__epsilon": 4.0}),
    ("checkpoint.keep", {"checkpoint__keep": 7}),
    ("evaluation.ood_sets", {"evaluation__ood_sets": ("svhn_cropped",)}),
  ],
)
def test_keys_of_what_is_off_change_nothing(tmp_path, missing, overrides):
  older(tmp_path, missing)
  configuration.adopt_config(tmp_path, config(**overrides))
  assert configuration.read_config(tmp_path).to_dict() == config(**overrides).to_dict()


def test_keys_of_what_is_off_in_both_may_differ(tmp_path):
  configuration.adopt_config(tmp_path, config(augment__augmix__severity=5.0))
  configuration.adopt_config(tmp_path, config(augment__augmix__severity=2.0))
  message = refusal(tmp_path, augment__augmix__width=3)
  assert "augment.augmix.width (0 there, 3 now)" in message
  assert "augment.augmix.severity (2.0 there, 3.0 now)" in message  # which counts then


def test_a_key_that_the_run_is_older_than_and_that_changes_something_is_named(tmp_path):
  older(tmp_path, "augment.flip", "augment.patch_uniform", "model.first_layer")
  message = refusal(tmp_path, model__first_layer__kernel_size=7)
  assert "model.first_layer.kernel_size (no such key there, which is as 0; 7 now);" in message
  assert message.count("now") == 1
  message = refusal(tmp_path, augment__flip=False)
  assert (
    "augment.flip (no such key there, which is as True; False now); "
    "use another --workdir, or the same values"
  ) in message
  message = refusal(tmp_path, augment__patch_uniform__size=8)
  assert "augment.patch_uniform.size (no such key there, which is as 0; 8 now);" in message
  assert message.count("now") == 1


def test_a_stored_key_that_is_no_longer_there_is_named(tmp_path):
  older(tmp_path, "augment.apr_p", loss={"old": 3})
  assert (
    "loss.old (3 there, no such key now); use another --workdir, "
    "or the version of apr_jax that has the same keys"
  ) in refusal(tmp_path)
  assert configuration.read_config(tmp_path).loss.old == 3  # but the run can be evaluated


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


def test_a_run_from_before_the_sections_of_autoaugment_is_read(tmp_path):
  """There they were a text and a truth value; off, they change nothing."""
  values = config().to_dict()
  values["augment"] |= {"autoaugment": "", "random_autoaugment": False}
  write_json(tmp_path / "config.json", values)
  assert configuration.read_config(tmp_path).augment.autoaugment.policy == ""


@pytest.mark.parametrize(
  "place, value, words",
  [
    ("augment", {"autoaugment": "cifar10"}, "augment.autoaugment is 'cifar10'"),
    ("data", 5, "data is 5, where this version has a section"),
    ("augment", [], "augment is ()"),
  ],
)
def test_a_value_where_a_section_belongs_is_one_line(tmp_path, place, value, words):
  values = config().to_dict()
  values[place] = values[place] | value if isinstance(value, dict) else value
  write_json(tmp_path / "config.json", values)
  with pytest.raises(UserError) as error:
    configuration.read_config(tmp_path)
  assert words in str(error.value) and "\n" not in str(error.value)

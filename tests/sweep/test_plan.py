"""Which runs a sweep has, and what the user can get wrong before anything runs."""

import pathlib

import pytest

from apr_jax.errors import UserError
from apr_jax.sweep.plan import make_plan

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"


def plan(patterns=("digits_apr_*.py",), networks=(), seeds=("0",), overrides=()):
  return make_plan(
    [str(CONFIGS / pattern) for pattern in patterns], networks, seeds, overrides, "W"
  )


def test_configurations_times_networks_times_seeds():
  runs = plan(networks=["allconv", "wide_resnet_10_1"], seeds=["0", "7"], overrides=["epochs=3"])
  assert [run.folder.name for run in runs] == [
    f"digits_{method}-{network}-s{seed}"
    for method in ("apr_p", "apr_s", "apr_sp")
    for network in ("allconv", "wide_resnet_10_1")
    for seed in (0, 7)
  ]
  run = runs[5]
  assert (run.config.name, run.config.model.name, run.config.seed, run.config.epochs) == (
    "digits_apr_s",
    "allconv",
    7,
    3,
  )
  assert (
    run.config.augment.apr_s.prob == 1
    and run.changes == "epochs=3"
    and run.folder.parent.name == "W"
  )


def test_networks_default_to_the_configuration_s_own_and_base_files_are_no_experiments():
  assert [run.folder.name for run in plan(["digits_*.py"])] == [
    f"digits_{method}-wide_resnet_10_1-s0"
    for method in ("apr_p", "apr_s", "apr_sp", "fgsm", "fgsm_apr_sp", "standard")
  ]


def test_a_name_that_merely_ends_in_base_is_an_experiment(tmp_path):
  for name in ("database", "my_base", "base"):
    (tmp_path / f"{name}.py").write_text((CONFIGS / "digits_apr_p.py").read_text())
  assert [run.config.name for run in make_plan([f"{tmp_path}/*.py"], [], ["0"], [], "W")] == [
    "database"
  ]


def test_a_configuration_that_two_patterns_match_and_a_seed_given_twice_run_once():
  assert len(plan(["digits_apr_p.py", "digits_apr_*.py"], seeds=["1", "1"])) == 3


@pytest.mark.parametrize(
  "keywords, words",
  [
    ({"patterns": ["none_*.py"]}, ["no configuration matches", "none_*.py", "--configs"]),
    ({"patterns": ["base.py"]}, ["no configuration matches", "base files"]),
    (
      {"networks": ["allconf"]},
      ["unknown network in --models 'allconf'; did you mean 'allconv'?"],
    ),
    ({"seeds": ["0", "one"]}, ["--seeds takes whole numbers", "0,one"]),
    ({"seeds": ["-1"]}, ["--seeds takes whole numbers"]),
    ({"seeds": []}, ["--seeds takes whole numbers"]),
    ({"overrides": ["epoch=3"]}, ["digits_apr_p.py", "unknown key 'epoch'", "epochs"]),
    ({"overrides": ["epochs=many"]}, ["epochs", "many"]),
    ({"overrides": ["augment.apr_s.probe=1"]}, ["probe"]),
    ({"overrides": ["epochs"]}, ["--set takes KEY=VALUE", "epochs"]),
    ({"overrides": ["seed=1"]}, ["--set seed", "--seeds"]),
    ({"overrides": ["model.name=allconv"]}, ["--models"]),
    (
      {"overrides": ["data.limit=-5"]},
      ["digits_apr_p.py", "data.limit must be 0 or more, got -5"],
    ),
    (
      {"overrides": ["schedule.boundaries_epochs=(3,2)"]},
      ["schedule.boundaries_epochs must be", "(3, 2)"],
    ),
  ],
)
def test_bad_input_is_one_line(keywords, words):
  with pytest.raises(UserError) as error:
    plan(**keywords)
  assert "\n" not in str(error.value)
  for word in words:
    assert word in str(error.value)


def test_two_files_of_one_name_are_refused(tmp_path):
  twin = tmp_path / "digits_apr_p.py"
  twin.write_text((CONFIGS / "digits_apr_p.py").read_text())
  with pytest.raises(UserError, match="both called digits_apr_p"):
    make_plan([str(CONFIGS / "digits_apr_p.py"), str(twin)], [], ["0"], [], "W")

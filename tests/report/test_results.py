"""Reading results, what is compared with which published number, and what a run changes in its
configuration.
"""

import json

import pytest

from apr_jax.errors import UserError
from apr_jax.published import OOD_SETS, Figure
from apr_jax.report.results import all_metrics, deviations, read_scores
from configs import cifar10_apr_sp, digits_standard


def test_scores_are_read_and_missing_ones_are_none(write_results):
  ood = {"cifar100": 88.5, "svhn_cropped": 97.5}
  scores = read_scores(write_results("run", clean=4.5, mean_error=9.75, ood=ood))
  assert [scores.value(metric) for metric in ("clean_error", "mean_error", "mce", "ood_auroc")] == [
    4.5,
    9.75,
    None,
    93.0,
  ]
  assert scores.ood_sets == ("cifar100", "svhn_cropped") and scores.corruption_source == "published"
  only_clean = read_scores(write_results("other", clean=4.5))
  assert (
    only_clean.value("mean_error") is only_clean.corruption_source is None
    and only_clean.ood_sets == ()
  )


def test_the_folder_of_out_works_too(write_results):
  run = write_results("run", clean=4.5)
  assert read_scores(run / "eval").value("clean_error") == 4.5


def test_ood_is_compared_with_the_published_numbers_of_the_same_sets(write_results):
  def on(folder, sets, network="resnet18_cifar"):
    return read_scores(
      write_results(folder, network=network, ood=dict.fromkeys(sets, 90.0))
    ).published("ood_auroc")

  assert on("all", OOD_SETS) == Figure(94.7, "APR (ICCV 2021), Table 2")
  assert on("one", ["cifar100"]).value == 89.5
  assert on("two", ["svhn_cropped", "images:/data/LSUN_fix.npz"]).value == pytest.approx(
    (97.7 + 93.7) / 2
  )
  assert on("unknown", ["cifar100", "uniform_noise"]) is None
  assert on("network", ["cifar100"], "allconv") is None


def test_scores_without_a_name_have_no_published_numbers(write_results):
  assert (
    read_scores(write_results("cifar10_apr_sp", name="", mean_error=9.0)).published("mean_error")
    is None
  )
  assert read_scores(write_results("run", mean_error=9.0)).published("mean_error").value == 9.1


def test_what_is_not_comparable_says_why(write_results):
  regenerated = read_scores(write_results("a", clean=4.0, mean_error=9.0, source="regenerated"))
  assert regenerated.not_comparable("mean_error") == "regenerated corruptions"
  assert regenerated.not_comparable("clean_error") is None
  on_imagenet = read_scores(write_results("i", mean_error=9.0, mce=70.0, source="regenerated"))
  assert on_imagenet.not_comparable("mce") == "regenerated corruptions"
  limited = read_scores(
    write_results("b", clean=4.0, mean_error=9.0, examples="the first 100 of each set")
  )
  for metric in ("clean_error", "mean_error"):
    assert limited.not_comparable(metric) == "the first 100 of each set"
  for examples, said in ((10_000, None), (1_000, "1,000 test images")):
    run = write_results(f"slice{examples}", clean=4.0)
    path = run / "eval" / "results.json"
    results = json.loads(path.read_text())
    results["clean"]["examples"] = examples
    path.write_text(json.dumps(results))
    assert read_scores(run).not_comparable("clean_error") == said
  # TFDS has the published images
  tfds = read_scores(write_results("c", mean_error=9.0, source="tfds"))
  assert tfds.not_comparable("mean_error") is None


def test_scores_of_a_recipe_that_is_not_the_published_one_say_so(write_results):
  scores = read_scores(write_results("a", name="cifar10_adversarial", clean=9.0, mean_error=25.0))
  assert scores.not_comparable("mean_error") == "the published attack is not known"
  assert scores.not_comparable("clean_error") is None  # nothing is published


@pytest.mark.parametrize("content", ["{", "[]", '{"meta": {}}', "null"])
def test_damaged_results_are_one_line_that_names_the_file(tmp_path, content):
  (tmp_path / "eval").mkdir()
  (tmp_path / "eval" / "results.json").write_text(content)
  with pytest.raises(
    UserError, match=r"eval/results\.json cannot be read .* run evaluate\.py"
  ) as error:
    read_scores(tmp_path)
  assert "\n" not in str(error.value)


def test_a_folder_without_results_is_one_line(tmp_path):
  with pytest.raises(
    UserError, match="holds no results: there is no .*; run evaluate.py --workdir"
  ):
    read_scores(tmp_path / "none")


def test_deviations_are_what_changes_the_training():
  original = cifar10_apr_sp.get_config().to_dict()
  config = cifar10_apr_sp.get_config()
  assert deviations(config.to_dict(), original) == ""
  config.update_from_flattened_dict(
    {
      "seed": 3,
      "name": "x",
      "model.name": "allconv",
      "data.data_dir": "D",
      "checkpoint.keep": 1,
      "model.num_classes": 10,
      "model.image_size": (32, 32),
      "evaluation.batch_size": 100,
    }
  )
  stored = json.loads(json.dumps(config.to_dict()))  # lists where there were tuples
  assert deviations(stored, original) == ""
  config.update_from_flattened_dict(
    {"epochs": 5, "augment.apr_p.prob": 0.5, "schedule.boundaries_epochs": (2, 4)}
  )
  assert deviations(config.to_dict(), original) == (
    "augment.apr_p.prob=0.5, epochs=5, schedule.boundaries_epochs=(2, 4)"
  )


def test_the_path_of_a_data_set_is_a_deviation_where_it_is_the_data_set():
  original = digits_standard.get_config().to_dict()
  config = digits_standard.get_config()
  config.update_from_flattened_dict({"data.name": "npz", "data.data_dir": "x.npz"})
  assert deviations(config.to_dict(), original) == "data.data_dir=x.npz, data.name=npz"


def test_sets_are_called_as_in_the_protocol_of_the_paper():
  from apr_jax.evaluation.ood_protocols import PROTOCOLS

  assert PROTOCOLS["apr"]["apr"] == OOD_SETS


def test_metrics_are_the_headlines_of_the_suites_in_their_order():
  several = ("ood_scores", "full_spectrum_ood", "shifts")
  assert [
    (name, metric.title) for name, metric in all_metrics().items() if metric.suite not in several
  ] == [
    ("clean_error", "clean error %"),
    ("mean_error", "mean corruption error %"),
    ("mce", "mCE %"),
    ("adapted_mean_error", "mean corruption error %, adapted statistics"),
    ("adapted_mce", "mCE %, adapted statistics"),
    ("ece", "clean ECE %"),
    ("ood_auroc", "OOD AUROC %"),
    ("first_layer_low", "first layer low %"),
    ("pgd_accuracy", "PGD accuracy %"),
    ("robust_accuracy", "AutoAttack accuracy %"),
  ]


def test_a_function_has_scores_and_nothing_published_whatever_it_is_called(write_results):
  run = read_scores(write_results("run", clean=4.5))
  function = read_scores(write_results("function", function=True, clean=4.5))
  assert function.title == run.title == "cifar10_apr_sp" and run.published("clean_error")
  assert function.value("clean_error") == 4.5 and function.published("clean_error") is None
  assert (function.network, function.seed, function.config) == ("–", None, None)


def test_scores_of_other_options_are_not_comparable_and_have_no_mean_with_others(write_results):
  folder = write_results("run", clean=4.5, mean_error=9.0)
  whole = read_scores(folder)
  path = folder / "eval" / "results.json"
  results = json.loads(path.read_text())
  results["meta"]["suites"]["corruptions"]["names"] = ["fog"]
  path.write_text(json.dumps(results))
  scores = read_scores(folder)
  assert scores.not_comparable("mean_error") == "other options of the suite corruptions"
  assert scores.not_comparable("clean_error") is None is whole.not_comparable("mean_error")
  assert scores.images("mean_error") != whole.images("mean_error")
  assert scores.images("clean_error") == whole.images("clean_error")

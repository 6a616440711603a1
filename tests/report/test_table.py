"""Tables whose means, deviations and differences are computed by hand."""

import csv
import io

import pytest

from apr_jax.report.results import read_scores
from apr_jax.report.table import (
  FAILED,
  FINISHED,
  NOT_RUN,
  Entry,
  make_rows,
  to_csv,
  to_markdown,
)


def entry(
  scores=None,
  experiment="cifar10_apr_sp",
  network="wide_resnet_40_2",
  seed=0,
  state=None,
  reason="",
  changes="",
  data_name="",
):
  return Entry(
    experiment,
    changes,
    network,
    seed,
    state or (FINISHED if scores else NOT_RUN),
    scores,
    reason,
    data_name,
  )


def cells(markdown):
  """The table as a list of rows, each {heading: text}; a heading that appears again is counted."""
  lines = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")] for line in markdown.splitlines()
  ]
  headings = [
    f"{name} of {lines[0][place - (1 if name == 'published' else 2)]}"
    if name in ("published", "difference")
    else name
    for place, name in enumerate(lines[0])
  ]
  return [dict(zip(headings, line, strict=True)) for line in lines[2:]]


@pytest.fixture
def entries(write_results):
  """Three seeds of one row: clean 4, 5, 9 (mean 6, sample std √7); corruptions 9, 10, 11 (mean 10,
  std 1).
  """
  return [
    entry(
      read_scores(write_results(f"s{seed}", seed=seed, clean=clean, mean_error=mean_error)),
      seed=seed,
    )
    for seed, (clean, mean_error) in enumerate([(4.0, 9.0), (5.0, 10.0), (9.0, 11.0)])
  ]


def test_means_deviations_and_differences(entries):
  (row,) = make_rows(entries)
  clean, corrupted = row.cells["clean_error"], row.cells["mean_error"]
  assert (clean.mean, clean.std) == (6.0, pytest.approx(7**0.5))
  assert (corrupted.mean, corrupted.std) == (10.0, 1.0)
  assert corrupted.figure.value == 9.1 and corrupted.difference == pytest.approx(0.9)
  (shown,) = cells(to_markdown([row]))
  assert shown == {
    "configuration": "cifar10_apr_sp",
    "network": "wide_resnet_40_2",
    "n": "3",
    "clean error %": "6.00 ± 2.65",
    "published of clean error %": "4.3",
    "difference of clean error %": "+1.70",
    "mean corruption error %": "10.00 ± 1.00",
    "published of mean corruption error %": "9.1",
    "difference of mean corruption error %": "+0.90",
    "notes": "corruptions: published",
  }


def test_one_seed_has_no_deviation_and_a_lower_score_a_minus(write_results):
  (row,) = make_rows([entry(read_scores(write_results("run", mean_error=8.0)))])
  (shown,) = cells(to_markdown([row]))
  assert (
    shown["mean corruption error %"] == "8.00"
    and shown["difference of mean corruption error %"] == "-1.10"
  )
  assert shown["clean error %"] == "–"  # not evaluated


def test_failed_and_missing_runs(entries):
  rows = make_rows(
    [
      *entries[:2],
      entry(seed=2, state=FAILED, reason="out of | memory"),
      entry(experiment="cifar10_apr_s", state=NOT_RUN),
      entry(experiment="cifar10_apr_p", state=FAILED, reason="no data"),
    ]
  )
  partly, missing, failed = cells(to_markdown(rows))
  assert partly["n"] == "2 of 3" and partly["clean error %"] == "4.50 ± 0.71"
  assert partly["notes"] == r"seed 2 failed: out of \| memory; corruptions: published"
  assert (missing["n"], missing["mean corruption error %"]) == ("0 of 1", "not run")
  assert missing["published of mean corruption error %"] == "10.6"
  assert missing["difference of mean corruption error %"] == "–"
  assert (failed["mean corruption error %"], failed["notes"]) == (
    "failed",
    "seed 0 failed: no data",
  )


def test_a_recipe_that_is_not_the_published_one_has_a_note_and_no_difference(write_results):
  scores = read_scores(write_results("run", name="cifar10_adversarial", mean_error=25.0))
  (shown,) = cells(to_markdown(make_rows([entry(scores, experiment="cifar10_adversarial")])))
  assert shown["published of mean corruption error %"] == "26.2"
  assert shown["difference of mean corruption error %"] == "not comparable"
  assert "the published attack is not known, not comparable with published scores" in shown["notes"]


def test_regenerated_corruptions_are_not_held_against_published_ones(write_results):
  (row,) = make_rows(
    [entry(read_scores(write_results("run", clean=5.3, mean_error=8.0, source="regenerated")))]
  )
  (shown,) = cells(to_markdown([row]))
  assert shown["difference of mean corruption error %"] == "not comparable"
  assert shown["difference of clean error %"] == "+1.00"
  assert shown["notes"] == "corruptions regenerated, not comparable with published scores"
  assert row.cells["mean_error"].difference is None


def test_limited_evaluations_are_not_held_against_published_ones(write_results):
  (row,) = make_rows(
    [entry(read_scores(write_results("run", clean=5.3, examples="the first 9 of each set")))]
  )
  (shown,) = cells(to_markdown([row]))
  assert (
    shown["difference of clean error %"] == "not comparable"
    and "the first 9 of each set" in shown["notes"]
  )


def test_a_changed_recipe_is_not_held_against_published_scores(write_results):
  (row,) = make_rows([entry(read_scores(write_results("run", clean=5.3)), changes="epochs=1")])
  (shown,) = cells(to_markdown([row]))
  assert (
    shown["published of clean error %"] == "4.3"
    and shown["difference of clean error %"] == "not comparable"
  )
  assert shown["notes"] == "changed recipe: epochs=1, not comparable with published scores"


def test_another_data_set_has_no_published_scores(write_results):
  on_digits = read_scores(write_results("run", clean=5.3, **{"data.name": "digits"}))
  rows = make_rows(
    [
      entry(on_digits, changes="data.name=digits"),
      entry(experiment="cifar10_apr_s", changes="data.name=digits", data_name="digits"),
    ]
  )
  assert (
    all(cell.figure is None for row in rows for cell in row.cells.values()) and rows[0].notes == []
  )


@pytest.mark.parametrize(
  "one, other, mixed, whole",
  [
    (
      {"source": "published"},
      {"source": "regenerated"},
      {"mean corruption error %"},
      {"clean error %"},
    ),
    (
      {"examples": "all"},
      {"examples": "the first 9 of each set"},
      {"mean corruption error %", "clean error %", "OOD AUROC %"},
      set(),
    ),
    (
      {"ood": {"svhn": 90.0}},
      {"ood": {"cifar100": 80.0}},
      {"OOD AUROC %"},
      {"mean corruption error %", "clean error %"},
    ),
    (
      {"ood": {"svhn": 90.0, "cifar100": 80.0}},
      {"ood": {"cifar100": 82.0, "svhn": 92.0}},
      set(),
      {"mean corruption error %", "clean error %", "OOD AUROC %"},
    ),
  ],
)
def test_scores_on_different_images_have_no_mean(write_results, one, other, mixed, whole):
  both = {"clean": 5.0, "mean_error": 9.0, "ood": {"cifar100": 80.0}}
  (row,) = make_rows(
    [
      entry(read_scores(write_results("one", **both | one)), seed=0),
      entry(read_scores(write_results("other", seed=1, **both | other)), seed=1),
    ]
  )
  (shown,) = cells(to_markdown([row]))
  assert {name for name, text in shown.items() if text == "mixed"} == mixed
  assert all("±" in shown[name] for name in whole) and (
    "no mean of seeds" in shown["notes"]
  ) == bool(mixed)
  assert (row.cells["mean_error"].mean is None) == ("mean corruption error %" in mixed)


def test_what_no_row_has_gets_no_column(write_results):
  (row,) = make_rows(
    [entry(read_scores(write_results("run", name="mine", clean=5.0)), experiment="mine")]
  )
  assert list(cells(to_markdown([row]))[0]) == [
    "configuration",
    "network",
    "n",
    "clean error %",
    "notes",
  ]


def test_mce_has_a_column_of_its_own(write_results):
  scores = read_scores(
    write_results(
      "run",
      name="imagenet_apr_sp",
      network="resnet50",
      mean_error=52.0,
      mce=66.0,
      **{"data.name": "imagenet2012"},
    )
  )
  (shown,) = cells(to_markdown(make_rows([entry(scores, "imagenet_apr_sp", "resnet50")])))
  assert shown["mCE %"] == "66.00" and shown["difference of mCE %"] == "+1.00"
  assert shown["mean corruption error %"] == "52.00"


def test_seeds_that_lack_a_score_are_counted(write_results, entries):
  without = entry(read_scores(write_results("s3", seed=3, clean=6.0)), seed=3)
  (shown,) = cells(to_markdown(make_rows([*entries, without])))
  assert shown["mean corruption error %"] == "10.00 ± 1.00 (n = 3)" and shown["n"] == "4"


def test_csv_is_unrounded_and_names_the_source(entries):
  rows = make_rows(
    [*entries, entry(experiment="cifar10_apr_s", seed=0), entry(experiment="cifar10_apr_s", seed=1)]
  )
  first, second = csv.DictReader(io.StringIO(to_csv(rows)))
  assert (first["configuration"], first["network"], first["seeds"], first["finished"]) == (
    "cifar10_apr_sp",
    "wide_resnet_40_2",
    "0 1 2",
    "3",
  )
  assert float(first["clean_error_std"]) == pytest.approx(7**0.5, abs=1e-12)
  assert (
    float(first["mean_error_difference"]) == pytest.approx(0.9) and first["mean_error_n"] == "3"
  )
  assert first["mean_error_published_source"] == "APR (ICCV 2021), Table 1"
  assert (
    first["ood_auroc_mean"] == ""
    and second["finished"] == "0"
    and second["mean_error_published"] == "10.6"
  )

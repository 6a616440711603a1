"""A whole report of a small run, in a browser where there is one."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from apr_jax import compare
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation import fourier, provenance, runner
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES
from apr_jax.report import html, sorting
from apr_jax.report.write import REPORT, write_report

CHROMIUM = next(
  filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# One of each kind, for each takes seconds to compile; the report looks closer at three of them.
CORRUPTIONS = ("gaussian_noise", "defocus_blur", "fog", "pixelate")
EVALUATORS = {
  "clean": SUITES["clean"],
  "corruptions": Corruptions(CORRUPTIONS),
  "calibration": Calibration(CORRUPTIONS),
  "ood": SUITES["ood"],
  "fourier": Fourier(largest_map=7),
  "swap": SUITES["swap"],
  "filters": SUITES["filters"],
}


@pytest.fixture(scope="module")
def reported(run, tmp_path_factory):
  """The folder of an evaluation of a few images, corruptions and frequencies with its report."""
  folder = tmp_path_factory.mktemp("eval")
  classifier = LoadedClassifier(run)
  settings = Settings.of(classifier, limit=48)
  evaluation = runner.evaluate(classifier, settings, EVALUATORS, folder, quiet=True)
  write_report(evaluation)
  return folder, evaluation.results


@pytest.fixture(scope="module")
def compared(reported, tmp_path_factory):
  """The page of two runs: that of the report, and one with its scores under another name."""
  folder, results = reported
  other = tmp_path_factory.mktemp("other")
  meta = results["meta"]
  renamed = results | {
    "meta": meta
    | {
      "config": meta["config"] | {"name": "other"},
      "classifier": meta["classifier"] | {"name": "other"},
    }
  }
  provenance.seal(renamed)
  (other / runner.RESULTS).write_text(json.dumps(renamed))
  path = tmp_path_factory.mktemp("compare") / "compare.html"
  compare.compare([str(folder), str(other)], str(path))
  return path


def text_of(page):
  return re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))


@pytest.mark.slow
def test_every_suite_has_its_section(reported):
  folder, results = reported
  page = (folder / REPORT).read_text()
  titles = re.findall(r"<h2>([^<]*)</h2>", page)
  assert titles == [
    "Scores",
    "Clean images",
    "Common corruptions",
    "Out-of-distribution detection",
    "Calibration",
    "Sensitivity to each frequency",
    "Amplitude and phase",
    "Frequencies of the first layer",
    "Training augmentation",
    "Corruptions by eye",
    "Amplitude and phase by eye",
    "Where the network looks",
    "Filters of the first layer",
    "Training",
    "Configuration and versions",
  ]
  text = text_of(page)
  for value in (
    results["clean"]["error"],
    results["corruptions"]["mean_error"],
    results["ood"]["mean_auroc"],
    results["ood"]["photo_patches"]["tnr95"],
    results["swap"]["in_distribution"]["phase"],
  ):
    assert f"{value:.2f}" in text
  assert results["meta"]["versions"]["jax"] in text and "wide_resnet" in text
  assert not re.findall(r'(?:src|href)="(?!data:)', page) and "<script" not in page
  assert f"{results['corruptions']['mean_error']:.2f} % of the corrupted ones" in text
  assert all('alt="' in image for image in re.findall("<img [^>]*>", page))


@pytest.mark.slow
def test_every_corruption_and_frequency_is_there(reported):
  folder, results = reported
  assert results["corruptions"]["by_corruption"].keys() == set(CORRUPTIONS)
  assert np.load(folder / fourier.MAP).shape == (7, 7)
  np.testing.assert_array_equal(np.load(folder / fourier.MAP), results["fourier"]["map"])
  text = text_of((folder / REPORT).read_text())
  assert "A test image, and the same under each corruption, made by" in text
  assert all(name.replace("_", " ") in text for name in CORRUPTIONS)


@pytest.mark.slow
def test_a_comparison_has_the_sections_of_the_scores(compared):
  titles = re.findall(r"<h2>([^<]*)</h2>", compared.read_text())
  assert titles == [
    "Scores",
    "Clean images",
    "Common corruptions",
    "Out-of-distribution detection",
    "Calibration",
    "Sensitivity to each frequency",
    "Amplitude and phase",
    "Frequencies of the first layer",
    "Configuration and versions",
  ]


@pytest.mark.slow
def test_a_comparison_shows_each_run(reported, compared):
  page, results = compared.read_text(), reported[1]
  titles = re.findall("<summary>([^<]*)</summary>", page)
  assert len(set(titles)) == 2 and "other" in titles
  for title in titles:
    for caption in (
      "error in %, 48 images per set",
      "all in %, higher is better",
      "accuracy of the predictions",
      "error under each Fourier basis image",
    ):
      assert f"{title}: {caption}" in page
  sets = [name for name in ("photo_patches", "uniform_noise") if name in results["ood"]]
  assert sets and all(page.count(f"ROC against {name}") == 1 for name in sets)


@pytest.mark.slow
def test_without_a_report_the_earlier_one_stays_and_the_command_says_so(
  run, tmp_path, script, capsys
):
  (tmp_path / REPORT).write_text("earlier")
  (tmp_path / fourier.MAP).write_text("earlier")
  arguments = ("--suites=clean", "--limit=4", "--noreport")
  script("evaluate.py", f"--workdir={run}", *arguments, f"--out={tmp_path}")
  last = capsys.readouterr().out.splitlines()[-1]
  assert last.split(None, 1) == ["report", f"{tmp_path / REPORT} is that of an earlier evaluation"]
  assert (tmp_path / REPORT).read_text() == "earlier" and not (tmp_path / fourier.MAP).exists()


def opened(page, profile):
  """What the page's browser shows, what it complains of, and the addresses that the page asks
  for.
  """
  log = profile / "net.json"
  done = subprocess.run(
    [
      CHROMIUM,
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      f"--user-data-dir={profile}",
      "--enable-logging=stderr",
      f"--log-net-log={log}",
      "--dump-dom",
      page.as_uri(),
    ],
    capture_output=True,
    text=True,
    timeout=120,
  )
  # The browser itself asks for things too; those requests have no origin.
  requests = {
    event["params"]["url"]
    for event in json.loads(log.read_text())["events"]
    if event.get("params", {}).get("initiator", "not an origin") != "not an origin"
  }
  return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line], requests


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("which", ["report", "comparison"])
def test_the_page_opens_without_errors_and_requests(which, reported, compared, tmp_path):
  shown, complaints, requests = opened(
    reported[0] / REPORT if which == "report" else compared, tmp_path
  )
  assert "</body>" in shown and "Configuration and versions" in shown
  assert not complaints and not requests


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_click_on_a_column_sorts_the_table(tmp_path):
  page = tmp_path / "page.html"
  rows = [["b", 10.0, None], ["a", 9.0, 2.0], ["c", 100.0, 1.0]]
  for column, clicks, expected in [(1, 2, "cba"), (2, 1, "abc"), (3, 1, "cab"), (3, 2, "acb")]:
    text = html.page(
      "t",
      [html.table(["name", "x", "y"], rows)],
      sorting.SCRIPT + f"document.querySelectorAll('th button')[{column - 1}].click();" * clicks,
    )
    page.write_text(text)
    profile = tmp_path / f"{column}{clicks}"
    profile.mkdir()
    shown, complaints, _ = opened(page, profile)
    names = re.findall(r'<th scope="row">(\w)</th>', shown)
    assert "".join(names) == expected and not complaints
    assert f'aria-sort="{"ascending" if clicks == 1 else "descending"}"' in shown


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_an_error_and_a_request_would_be_noticed(tmp_path):
  page = tmp_path / "page.html"
  page.write_text('<img src="http://127.0.0.1:9/a.png"><script>console.error("no")</script>')
  _, complaints, requests = opened(page, tmp_path)
  assert len(complaints) == 1 and requests == {"http://127.0.0.1:9/a.png"}

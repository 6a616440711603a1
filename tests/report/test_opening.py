"""The sentence and the chart that a page begins with."""

import re

from apr_jax.report import opening


def results(clean=None, mean_error=None, by_corruption=None, auroc=None):
  found = {} if clean is None else {"clean": {"error": clean}}
  if mean_error is not None:
    found["corruptions"] = {"mean_error": mean_error, "by_corruption": by_corruption or {}}
  return found | ({} if auroc is None else {"ood": {"mean_auroc": auroc}})


def test_one_run():
  assert opening.sentence({"mine": results(1.0, 2.5, auroc=90.0)}) == (
    "mine is wrong on 1.00 % of the clean test images and on 2.50 % of the corrupted ones. It "
    "tells images of other data apart with an AUROC of 90.00 %."
  )
  assert (
    opening.sentence({"mine": results(1.0)}) == "mine is wrong on 1.00 % of the clean test images."
  )
  assert opening.sentence({"mine": results(auroc=90.0)}) == opening.sentence({"mine": {}}) == ""


def test_several_runs():
  runs = {"a": results(1.0, 7.0), "b": results(2.0, 3.0), "c": results(0.5)}
  assert opening.sentence(runs) == (
    "b has the lower error under corruptions: 3.00 %, against 7.00 % of a."
  )
  assert opening.sentence(runs | {"d": results(0.5, 9.0)}) == (
    "Of 3 runs b has the lowest error under corruptions, 3.00 %; the highest is 9.00 %, of d."
  )
  assert "c has the lower error on clean images: 0.50 %" in opening.sentence(
    {"a": results(1.0), "c": results(0.5)}
  )
  assert opening.sentence({"a": results(1.0), "c": {}}) == ""


def test_the_chart_has_the_clean_error_and_every_corruption():
  runs = {
    "a": results(1.0, 3.0, {"fog": [1.0, 5.0]}),
    "b": results(2.0, 4.0, {"snow_and_ice": [4.0]}),
  }
  chart = opening.chart(runs)
  assert re.search('<img alt="Bars: the error on clean images', chart) and "figcaption" in chart
  assert opening.chart({"a": results(1.0)}) == opening.chart({"a": {}}) == ""

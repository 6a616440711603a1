"""The frequencies of the first layer on a page."""

import re
import types

import numpy as np

from apr_jax import filters as measures
from apr_jax.evaluation.filters import Filters
from apr_jax.report import filters

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.standard_normal((3, 3, 3, 20)).astype(np.float32)


def summary_of(kernel, gain=None):
  suite = Filters(noise=100)
  task = types.SimpleNamespace(
    classifier=types.SimpleNamespace(name="mine", first_kernel=kernel, first_gain=gain)
  )
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def text_of(page):
  return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_nothing_without_the_suite():
  assert filters.first_layer({"mine": {"clean": {}}}) == ""


def test_the_tables_have_the_numbers_beside_white_noise():
  section = summary_of(KERNEL, np.ones(20, np.float32))
  page = filters.first_layer({"mine": {"filters": section}})
  text = text_of(page)
  assert page.count("<svg") == 0 and page.count("image/svg+xml") == 3
  for part in (section, section["without_constant"]):
    for measure in ("mean_shares", "classes", "weighted_shares"):
      assert " ".join(f"{value:.2f}" for value in part[measure].values()) in text
    white = part["white"]
    low, deviation = white["mean_shares"]["low"], white["deviation"]["mean_shares"]["low"]
    assert f"{low:.2f} ± {deviation:.2f}" in text
  assert "white noise, 20 of 3 × 3 × 3" in text and "share by weight" in text
  assert "alias" in text and "resolve little" in text  # the limits


def test_several_runs_of_several_sizes():
  silent = np.concatenate([KERNEL, np.zeros((3, 3, 3, 1), np.float32)], -1)
  large = RANDOM.standard_normal((7, 7, 3, 4)).astype(np.float32)
  runs = {
    "small": {"filters": summary_of(silent)},
    "large": {"filters": summary_of(large)},
    "point": {"filters": summary_of(np.ones((1, 1, 3, 2)))},
    "none": {},
  }
  text = text_of(filters.first_layer(runs))
  for size in ("20 of 3 × 3 × 3", "4 of 7 × 7 × 3"):
    assert text.count(f"white noise, {size}") == 4  # two measures, with and without the means
  assert text.count("white noise, 2 of 1 × 1 × 3") == 2  # of which nothing is left without
  assert "small: filters that are zero and count nowhere: 1." in text and "none" not in text


def test_runs_of_one_size_share_their_noise():
  section = summary_of(KERNEL)
  text = text_of(filters.first_layer({"a": {"filters": section}, "b": {"filters": section}}))
  assert text.count("white noise, 20 of 3 × 3 × 3") == 4


def evaluation_of(kernel, results):
  return types.SimpleNamespace(
    classifier=types.SimpleNamespace(first_kernel=kernel), results=results
  )


def test_pictures_in_the_order_of_the_centroids():
  (table,) = filters.by_eye(evaluation_of(KERNEL, {"filters": {}}))
  shown = [float(found) for found in re.findall(r">(\d\.\d\d) (?:low|middle|high)</td>", table)]
  expected = np.sort(np.asarray(measures.centroids(KERNEL)))
  np.testing.assert_allclose(shown, expected, atol=6e-3)
  assert table.count("<img") == 2 * 20 + 1 and "All filters" in table


def test_no_pictures_without_the_suite_or_the_kernel():
  assert filters.by_eye(evaluation_of(KERNEL, {})) == []
  assert filters.by_eye(evaluation_of(None, {"filters": {}})) == []


def test_many_filters_are_shown_in_part_and_other_channels_in_grey():
  kernel = RANDOM.standard_normal((3, 3, 1, 200)).astype(np.float32)
  kernel[..., 7] = 0
  (table,) = filters.by_eye(evaluation_of(kernel, {"filters": {}}))
  assert "96 of the 200 filters" in table and table.count("<img") == 2 * 96 + 1


def test_what_the_pictures_show():
  chessboard = (-1.0) ** np.add.outer(np.arange(3), np.arange(3))
  kernel = np.zeros((3, 3, 3, 2), np.float32)
  kernel[..., 0, 0] = 2 * chessboard  # in red alone
  kernel[1, 1, :, 1] = -1
  face, point = filters._faces(kernel)
  assert face[0, 0].tolist() == [255, 128, 128] and face[0, 1].tolist() == [0, 128, 128]
  assert point[1, 1].tolist() == [0, 0, 0] and point[0, 0].tolist() == [128, 128, 128]
  high, white = filters._spectra(kernel)
  assert high[0, 0].tolist() == [255] * 3 and high[16, 16, 0] < 40  # the corner; the constant
  assert (white == 255).all()

"""Charts: what is drawn is read back from the SVG."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from apr_jax.report import plots

SVG = "{http://www.w3.org/2000/svg}"


def paths_of(svg, element):
  """The (x, y) of the points of the first path inside the group of that name."""
  group = next(
    group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("id") == element
  )
  numbers = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", next(group.iter(f"{SVG}path")).get("d"))
  return np.array(numbers, float)


def test_lines_are_where_the_data_say():
  svg = plots.lines(
    {"a": ([0, 0.25, 1], [0, 0.5, 1])}, "x", "y", x_limits=(0, 1), y_limits=(0, 1), square=True
  )
  frame = paths_of(svg, "patch_2")
  (left, bottom), (right, top) = (
    (frame.min(0)[0], frame.max(0)[1]),
    (frame.max(0)[0], frame.min(0)[1]),
  )
  ids = [group.get("id") for group in ElementTree.fromstring(svg).iter(f"{SVG}g")]
  line = paths_of(svg, [name for name in ids if name and name.startswith("line2d_")][-1])
  np.testing.assert_allclose((line[:, 0] - left) / (right - left), [0, 0.25, 1], atol=2e-3)
  np.testing.assert_allclose((bottom - line[:, 1]) / (bottom - top), [0, 0.5, 1], atol=2e-3)


def test_lines_along_the_edges_lie_inside_the_frame():
  from apr_jax.report.sections import _UNIT

  svg = plots.lines(
    {"perfect": ([0, 0, 1], [0, 1, 1])}, "x", "y", x_limits=_UNIT, y_limits=_UNIT, diagonal=True
  )
  frame = paths_of(svg, "patch_2")
  ids = [group.get("id") for group in ElementTree.fromstring(svg).iter(f"{SVG}g")]
  line = paths_of(svg, [name for name in ids if name and name.startswith("line2d_")][-1])
  # points; more than half a line's width
  assert (line > frame.min(0) + 1).all() and (line < frame.max(0) - 1).all()


def test_the_legend_of_bars_lies_above_them():
  svg = plots.bars(["one", "two"], {str(index): [1, 2] for index in range(4)}, "error (%)")
  frame, legend = paths_of(svg, "patch_2"), paths_of(svg, "legend_1")
  assert legend.max(0)[1] <= frame.min(0)[1]  # SVG counts from the top


@pytest.mark.parametrize(
  "draw",
  [
    lambda: plots.lines(
      {"a": ([0, 1], [0, 1]), "b": ([0, 1], [1, 0])}, "x", "y", diagonal=True, x_limits=(0, 1)
    ),
    lambda: plots.bars(["one_thing", "two"], {"a": [1, 2], "b": [2, 1]}, "error (%)"),
    lambda: plots.square_map(np.eye(5), "error", "frequency"),
  ],
)
def test_the_same_data_give_the_same_bytes_without_anything_to_load(draw):
  first, second = draw(), draw()
  assert first == second
  references = re.findall(rb'(?:href|src)="([^"]*)"', first)
  assert all(reference.startswith((b"#", b"data:")) for reference in references)


def test_series_differ_without_colour():
  svg = plots.lines({str(index): ([0, 1], [index, index]) for index in range(4)}, "x", "y").decode()
  dashes = set(re.findall(r"stroke-dasharray: ([\d., ]+)", svg))
  assert len(dashes) >= 3  # the fourth line is drawn through


@pytest.mark.parametrize("size, first, last", [(5, -2, 2), (4, -2, 1)])
def test_the_centre_of_a_map_is_the_zero_frequency(size, first, last, monkeypatch):
  from matplotlib.axes import Axes

  drawn = {}
  original = Axes.imshow

  def imshow(self, values, **options):
    drawn.update(options)
    return original(self, values, **options)

  monkeypatch.setattr(Axes, "imshow", imshow)
  plots.square_map(np.zeros((size, size)), "error", "frequency")
  assert drawn["extent"] == (first - 0.5, last + 0.5, last + 0.5, first - 0.5)
  assert (drawn["vmin"], drawn["vmax"]) == (0, 1)


def test_the_spread_is_shaded_around_its_line():
  plain, shaded = (
    plots.lines({"a": ([0, 1], [2, 3]), "b": ([0, 1], [1, 1])}, "x", "y", spread=spread)
    for spread in (None, {"a": [0.5, 1]})
  )
  assert b"FillBetween" not in plain and shaded.count(b'id="FillBetween') == 1

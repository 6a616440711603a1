"""The pictures of the documents: what is drawn is read back from the SVG."""

import importlib
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.docs.conftest import ROOT

FIGURES = ROOT / "docs" / "figures"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def scripts(monkeypatch):
  """A function that imports a script of the figures."""
  monkeypatch.syspath_prepend(str(FIGURES))
  yield importlib.import_module
  for name in ("canvas", "photographs", "draw_front", "draw_corruptions"):
    sys.modules.pop(name, None)


def drawn(canvas):
  return ElementTree.fromstring(canvas.svg())


def texts(picture):
  return [text.text for text in picture.iter(f"{SVG}text")]


def test_bars_are_as_long_as_the_errors(scripts):
  canvas, chart = scripts("canvas"), scripts("draw_corruptions")
  means = {"standard": {"fog": 40.0, "snow": 10.0}, "apr_sp": {"fog": 20.0, "snow": 5.0}}
  pictures = []
  for theme in canvas.THEMES.values():
    paper = canvas.Canvas((840, 200), theme, "what it shows")
    chart.draw(paper, means)
    pictures.append(drawn(paper))
  widths = [
    [float(box.get("width")) for box in picture.iter(f"{SVG}rect")][2:] for picture in pictures
  ]
  assert widths[0] == widths[1]  # the themes differ in their colours alone
  np.testing.assert_allclose(np.divide(widths[0], widths[0][0]), [1, 0.5, 0.25, 0.125], atol=1e-3)
  colours = [{box.get("fill") for box in picture.iter(f"{SVG}rect")} for picture in pictures]
  assert not colours[0] & colours[1]
  assert {"fog", "snow", "40.0", "5.0"} <= set(texts(pictures[0]))
  assert pictures[0].find(f"{SVG}title").text == "what it shows"


def test_an_answer_is_right_if_it_names_the_phase(scripts):
  canvas, front = scripts("canvas"), scripts("draw_front")
  paper = canvas.Canvas((900, 424), canvas.THEMES["light"], "d")
  answers = {
    "standard": {"predictions": [3, 7, 7, 7], "confidences": [90.0] * 4},
    "apr_sp": {"predictions": [3, 7, 3, 7], "confidences": [80.0] * 4},
  }
  swaps = {name: {"phase": share, "pairs": 9} for name, share in (("standard", 60), ("apr_sp", 90))}
  pixels = np.zeros((4, 8, 8, 3), np.uint8)
  front.draw(paper, pixels, pixels, [3, 7], answers, swaps)
  said = [text for text in texts(drawn(paper)) if "says" in text]
  assert [text[0] for text in said] == list("✓✓✗✓✓✓✓✓")
  assert (
    "60 % of the Standard network's and 90 % of the APR-SP network's" in texts(drawn(paper))[-1]
  )


# Of the two themes; figures of studies are charts on white.
@pytest.mark.parametrize("path", sorted(FIGURES.glob("*-*.svg")), ids=lambda path: path.name)
def test_pictures_load_nothing_and_have_a_title(path):
  picture = ElementTree.fromstring(path.read_text())
  assert picture.find(f"{SVG}title").text
  references = re.findall(r'href="([^"]*)"', path.read_text())
  assert all(reference.startswith("data:") for reference in references)
  assert path.with_name(path.name.replace("light", "dark")).is_file()
  assert path.stat().st_size < 200_000

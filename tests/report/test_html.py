"""The pieces of a page, read back by the standard library's parser."""

import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from apr_jax.report import html as pieces


class Reader(html.parser.HTMLParser):
  """Text, tags with their attributes, and whether every tag that is opened is closed."""

  _VOID = frozenset({"meta", "link", "img", "br"})

  def __init__(self, text):
    super().__init__()
    self.tags, self.words, self._open = [], [], []
    self.feed(text)
    assert not self._open

  def handle_starttag(self, tag, attributes):
    self.tags.append((tag, dict(attributes)))
    if tag not in self._VOID:
      self._open.append(tag)

  def handle_endtag(self, tag):
    assert self._open.pop() == tag

  def handle_data(self, data):
    self.words += [data.strip()] if data.strip() else []

  def all(self, tag):
    return [attributes for name, attributes in self.tags if name == tag]


def test_page_is_well_formed_and_escapes():
  text = pieces.page(
    "a <b> & c",
    [
      pieces.section("x < y", pieces.paragraph("<script>alert(1)</script>")),
      pieces.details("more", "<pre>"),
    ],
  )
  reader = Reader(text)
  assert not reader.all("script")
  assert (
    "a <b> & c" in reader.words
    and "<script>alert(1)</script>" in reader.words
    and "<pre>" in reader.words
  )
  assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.all(
    "meta"
  )


def test_nothing_is_loaded_from_elsewhere():
  pixels = np.zeros((4, 4, 3), np.uint8)
  text = pieces.page(
    "t",
    [
      pieces.vector_picture(b"<svg/>", "d"),
      pieces.picture_table((), [("a", [(pixels, "")])], "c"),
      pieces.picture_table(["", "a"], [("r", [(pixels, "p")])], "c"),
    ],
  )
  reader = Reader(text)
  sources = [
    attributes[key] for _, attributes in reader.tags for key in ("src", "href") if key in attributes
  ]
  assert len(sources) == 4 and all(source.startswith("data:") for source in sources)
  assert "url(" not in text and "@import" not in text


def test_table_formats_numbers():
  reader = Reader(pieces.table(["name", "a", "b", "c"], [["<x>", 1.005, None, 7]], "what"))
  assert reader.words == ["what", "name", "a", "b", "c", "<x>", f"{1.005:.2f}", "–", "7"]


def test_each_row_is_named_for_who_cannot_see_the_table():
  reader = Reader(pieces.table(["name", "a"], [["x", 1.0], ["y", 2.0]]))
  scopes = [cell["scope"] for cell in reader.all("th")]
  assert scopes == ["col", "col", "row", "row"] and len(reader.all("td")) == 2


def test_charts_turn_in_the_dark_and_maps_do_not():
  chart, of_shades = (
    Reader(pieces.vector_picture(b"<svg/>", "d", is_map=is_map)).all("img")[0]
    for is_map in (False, True)
  )
  assert (chart["class"], of_shades["class"], chart["alt"]) == ("chart", "map", "d")


def test_section_without_content_is_empty():
  assert pieces.section("title", "") == "" and pieces.section("title") == ""


@pytest.mark.parametrize(
  "value,background,text",
  [
    (0.0, (255, 255, 255), "#000"),
    (50.0, (8, 48, 107), "#fff"),
    (25.0, (132, 152, 181), "#000"),
    (99.0, (8, 48, 107), "#fff"),
  ],
)
def test_shades_of_the_heat_table(value, background, text):
  cell = Reader(pieces.heat_table(["n", "v"], [("row", [value])], 50.0)).all("td")[0]
  assert cell["style"] == f"background:rgb({','.join(map(str, background))});color:{text}"


def test_all_zero_heat_table_is_white():
  assert "rgb(255,255,255)" in pieces.heat_table(["n", "v"], [("row", [0.0])], 0)


@pytest.mark.parametrize("value, text", [(59.0, "#000"), (60.0, "#fff")])
def test_text_turns_white_on_dark_shades(value, text):
  cell = Reader(pieces.heat_table(["n", "v"], [("row", [value])], 100.0)).all("td")[0]
  assert cell["style"].endswith(f"color:{text}")


def test_pixels_survive():
  pixels = np.random.RandomState(0).randint(0, 256, (5, 24, 3)).astype(np.uint8)
  image = Reader(pieces.picture_table(["", "column"], [("row", [(pixels, "text")])], "c")).all(
    "img"
  )[0]
  assert (image["width"], image["height"], image["alt"]) == ("72", "15", "row, column, text")
  np.testing.assert_array_equal(decoded(image), pixels)


def test_large_pictures_are_shrunk():
  image = Reader(
    pieces.picture_table((), [("row", [(np.zeros((224, 224, 3), np.uint8), "")])], "c")
  ).all("img")[0]
  assert (
    image["width"] == "96"
    and decoded(image).shape == (96, 96, 3)
    and image["alt"] == "row, image 1"
  )


def decoded(image):
  return np.asarray(Image.open(io.BytesIO(base64.b64decode(image["src"].partition("base64,")[2]))))

"""The pieces of a page: one HTML file with its style, its pictures and nothing to load or run.

Every function returns HTML; text is escaped here, so callers pass it as it is.
"""

import base64
import html
from collections.abc import Sequence

import numpy as np

from apr_jax.evaluation.thumbnails import shrink, to_png

# One column of at most 62rem; wide tables scroll inside their frame, pictures shrink. Light or dark
# as the reader's system is, light on paper. In the dark, charts are turned to light lines and keep
# their hues; maps and pictures stay what they are.
_STYLE = """
:root {
  color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --text: #1b1b1b; --page: #fff; --faint: #444; --rule: #ddd; --strong: #888; --plate: #f4f4f4;
  color: var(--text); background: var(--page)
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --text: #e6e6e6; --page: #16181b; --faint: #b3b3b3; --rule: #3a3d42; --strong: #777;
    --plate: #24272b
  }
  img.chart { filter: invert(1) hue-rotate(180deg) }
  img.map { background: #fff }
}
@media print {
  :root { color-scheme: light } body { max-width: none } .scroll { overflow: visible }
  figure, tr, .lead { break-inside: avoid } h2 { break-after: avoid }
}
body { max-width: 62rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; margin: .5rem 0 }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--strong) }
.lead { font-size: 1.15rem; margin: .6rem 0 }
p, figcaption, summary { max-width: 46rem }
figcaption, .note { color: var(--faint); font-size: .9rem }
figure { margin: .8rem 0 } img { max-width: 100%; height: auto }
img.pixels { image-rendering: pixelated }
.scroll { overflow-x: auto }
.figures { display: flex; flex-wrap: wrap; gap: 1rem }
.figures figure, .figures div { flex: 1 1 20rem; min-width: 0 }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--faint); font-size: .9rem; padding-bottom: .2rem }
caption span {
  position: sticky; left: 0; display: inline-block; max-width: min(46rem, 100vw - 2rem)
}
th, td {
  padding: .15rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--rule)
}
th:first-child, td:has(img) { text-align: left } tbody th { font-weight: normal }
thead th { border-bottom: 2px solid var(--strong); vertical-align: bottom; white-space: normal }
th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; text-decoration: underline dotted
}
th[aria-sort=ascending] button::after { content: " ▲" }
th[aria-sort=descending] button::after { content: " ▼" }
td img { display: block }
pre { overflow-x: auto; font-size: .85rem; background: var(--plate); padding: .6rem }
"""
_DARKEST = np.array([8, 48, 107])
_TILE = 72  # screen pixels a small image is shown at, about


def page(title: str, sections: Sequence[str], script: str = "") -> str:
  """A whole document; `script` is run when it has been read."""
  title = html.escape(title)
  return (
    f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
    f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<link rel="icon" href="data:,">\n'
    f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
    + "\n".join(sections)
    + (f"\n<script>{script}</script>" if script else "")
    + "\n</body></html>\n"
  )


def section(title: str, *blocks: str) -> str:
  """A titled part of the page; empty without blocks."""
  return (
    f"<section><h2>{html.escape(title)}</h2>\n" + "\n".join(blocks) + "</section>"
    if any(blocks)
    else ""
  )


def paragraph(text: str) -> str:
  """A paragraph of plain text."""
  return f"<p>{html.escape(text)}</p>"


def lead(text: str) -> str:
  """The sentence that a page begins with."""
  return f'<p class="lead">{html.escape(text)}</p>'


def details(summary: str, text: str) -> str:
  """Preformatted text that is shown on a click."""
  return (
    f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre></details>"
  )


def table(
  header: Sequence[str], rows: Sequence[Sequence[str | float | None]], caption: str = ""
) -> str:
  """A table: the first column names the rows, numbers get two decimals, None is a dash."""
  cells = [[_named(row[0]), *(_cell(value) for value in row[1:])] for row in rows]
  return _table(header, cells, caption)


def heat_table(
  header: Sequence[str],
  rows: Sequence[tuple[str, Sequence[float]]],
  largest: float,
  caption: str = "",
) -> str:
  """A table whose cells are the darker the larger their number; it reads the same in shades of
  grey.

  Args:
    header: of the column of names, and of each column of numbers.
    rows: name and numbers.
    largest: the number of the darkest shade; 0 is white.
    caption: above the table.
  """
  cells = [[_named(name), *(_shaded(value, largest) for value in values)] for name, values in rows]
  return _table(header, cells, caption)


def vector_picture(svg: bytes, description: str, caption: str = "", *, is_map: bool = False) -> str:
  """A figure of SVG, which stays sharp at every size.

  Args:
    svg: the file.
    description: for who cannot see it.
    caption: below it.
    is_map: whether its shades mean something, so that they are the same on a dark page.
  """
  kind = f'class="{"map" if is_map else "chart"}"'
  below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
  return f"<figure>{_image('image/svg+xml', svg, description, kind)}{below}</figure>"


def picture_table(
  header: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[np.ndarray, str]]]], caption: str
) -> str:
  """A table of pictures.

  Args:
    header: of the column of names, and of each column of pictures; may be empty.
    rows: name, and pictures uint8 `[H, W, 3]`, each with a text below it ("" for none). They are
      shown small.
    caption: above the table.
  """
  titles = header[1:]

  def cell(index: int, name: str, image: np.ndarray, text: str) -> str:
    column = titles[index] if index < len(titles) else f"image {index + 1}"
    described = ", ".join(filter(None, (name, column, text)))
    return f"<td>{_pixels(image, described)}{html.escape(text)}</td>"

  cells = [
    [
      _named(name),
      *(cell(index, name, image, text) for index, (image, text) in enumerate(pictures)),
    ]
    for name, pictures in rows
  ]
  return _table(header, cells, caption)


def side_by_side(*figures: str) -> str:
  """Figures in a row, below each other where the screen is narrow."""
  return f'<div class="figures">{"".join(figures)}</div>'


def _pixels(image: np.ndarray, description: str) -> str:
  """An image, shrunk if it is large; the pixels of a small one are squares of several screen
  pixels.
  """
  image = shrink(image)
  scale = max(1, _TILE // image.shape[1])
  size = f'class="pixels" width="{scale * image.shape[1]}" height="{scale * image.shape[0]}"'
  return _image("image/png", to_png(image), description, size)


def _image(kind: str, data: bytes, description: str, attributes: str = "") -> str:
  return (
    f'<img alt="{html.escape(description)}" {attributes} '
    f'src="data:{kind};base64,{base64.b64encode(data).decode()}">'
  )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
  head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header)
  head = f"<thead><tr>{head}</tr></thead>\n" if head else ""
  body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
  above = f"<caption><span>{html.escape(caption)}</span></caption>" if caption else ""
  return f'<div class="scroll"><table>{above}{head}<tbody>{body}</tbody></table></div>'


def _named(value: str | float | None) -> str:
  """The cell that names its row."""
  return _cell(value).replace("<td>", '<th scope="row">').replace("</td>", "</th>")


def _cell(value: str | float | None) -> str:
  text = (
    "–"
    if value is None
    else html.escape(value)
    if isinstance(value, str)
    else (str(value) if isinstance(value, int) else f"{value:.2f}")
  )
  return f"<td>{text}</td>"


def _shaded(value: float, largest: float) -> str:
  share = min(max(value / largest, 0), 1) if largest else 0.0
  red, green, blue = np.rint(255 + share * (_DARKEST - 255)).astype(int)
  text = "#fff" if share >= 0.6 else "#000"
  return f'<td style="background:rgb({red},{green},{blue});color:{text}">{value:.1f}</td>'

"""An SVG file in two themes: the pictures of the documents, for light and for dark pages.

A drawing is a function of a `Canvas`; `write` calls it once per theme. Pictures stand inside the
file, so it needs no other. Units are pixels, from the top left.
"""

import base64
import dataclasses
import html
import io
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Theme:
  """Colours, as CSS writes them."""

  text: str
  faint: str
  line: str
  good: str
  bad: str
  first: str
  second: str


# Okabe and Ito's blue and vermilion, which colour-blind readers tell apart; lighter on dark pages.
THEMES = {
  "light": Theme("#1b1b1b", "#57606a", "#d0d7de", "#0a6b3d", "#b0301c", "#0072B2", "#D55E00"),
  "dark": Theme("#e6edf3", "#9da7b1", "#3d444d", "#56d393", "#ff8f7d", "#56B4E9", "#E8823A"),
}


class Canvas:
  """What has been drawn; `size` is (width, height)."""

  def __init__(self, size: tuple[int, int], theme: Theme, description: str):
    self.size, self.theme = size, theme
    self._description = description
    self._parts: list[str] = []

  def text(
    self,
    x: float,
    y: float,
    words: str,
    colour: str = "",
    *,
    size: int = 15,
    anchor: str = "start",
    bold: bool = False,
  ) -> None:
    """A line of text, whose baseline is at y; `anchor` is start, middle or end."""
    weight = ' font-weight="600"' if bold else ""
    self._parts.append(
      f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{weight} '
      f'fill="{colour or self.theme.text}">{html.escape(words)}</text>'
    )

  def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
    """A filled rectangle."""
    self._parts.append(
      f'<rect x="{x:g}" y="{y:g}" width="{width:.2f}" height="{height:g}" rx="1.5" '
      f'fill="{colour}"/>'
    )

  def line(self, x: float, y: float, to_x: float, to_y: float) -> None:
    """A thin line."""
    self._parts.append(
      f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{self.theme.line}"/>'
    )

  def image(
    self, x: float, y: float, width: float, height: float, pixels: np.ndarray, photo: bool = False
  ) -> None:
    """An image, uint8 `[H, W, 3]`, stretched to the rectangle; a photograph as JPEG, others exact
    and with visible pixels.
    """
    data = io.BytesIO()
    if photo:
      Image.fromarray(pixels).save(data, "jpeg", quality=78)
    else:
      Image.fromarray(pixels).save(data, "png", optimize=True)
    kind = "jpeg" if photo else "png"
    style = "" if photo else ' style="image-rendering:pixelated"'
    self._parts.append(
      f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{style} '
      f'preserveAspectRatio="none" '
      f'href="data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"/>'
    )

  def svg(self) -> str:
    """The file."""
    width, height = self.size
    return (
      f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
      f'height="{height}" role="img" font-family="system-ui, -apple-system, sans-serif">\n'
      f"<title>{html.escape(self._description)}</title>\n" + "\n".join(self._parts) + "\n</svg>\n"
    )


def write(
  name: str, size: tuple[int, int], description: str, draw: Callable[[Canvas], None]
) -> None:
  """Writes NAME-light.svg and NAME-dark.svg beside this file."""
  for theme, colours in THEMES.items():
    canvas = Canvas(size, colours, description)
    draw(canvas)
    path = FOLDER / f"{name}-{theme}.svg"
    path.write_text(canvas.svg(), encoding="utf-8")
    print(f"{path} ({path.stat().st_size / 1024:.0f} KiB)")

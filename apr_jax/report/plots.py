"""The charts of the report, as SVG.

Series differ by colour (Okabe and Ito's, which colour-blind readers tell apart), and by line style
and marker, or by hatching, so that a grey print shows them too.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# not as many as colours: the two repeat apart
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
_LEGEND_COLUMNS = 2

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""{legend: (x, y)}."""


def lines(
  series: Series,
  x_label: str,
  y_label: str,
  *,
  x_limits: tuple[float, float] | None = None,
  y_limits: tuple[float, float] | None = None,
  diagonal: bool = False,
  markers: bool = False,
  square: bool = False,
  spread: Mapping[str, Sequence[float]] | None = None,
) -> bytes:
  """Lines in one frame.

  Args:
    series: what to draw, in the order of the legend.
    x_label, y_label: with units.
    x_limits, y_limits: of the axes; default: what the data spans.
    diagonal: draw the line y = x from 0 to 1, of perfect calibration or of chance.
    markers: mark the points.
    square: as high as wide.
    spread: {legend: how far around each point the line is shaded}, of those that are.
  """
  figure, axes = _figure(4.6, 4.4 if square else 3.2)
  if diagonal:
    axes.plot((0, 1), (0, 1), color="#888888", linewidth=1, zorder=0)
  for index, (name, (x, y)) in enumerate(series.items()):
    axes.plot(
      x,
      y,
      label=name,
      color=_of(COLOURS, index),
      linestyle=_of(LINES, index),
      linewidth=1.8,
      marker=_of(MARKERS, index) if markers else None,
      markersize=4.5,
    )
    if spread and name in spread:
      around = np.array(spread[name])
      colour = _of(COLOURS, index)
      axes.fill_between(x, np.array(y) - around, np.array(y) + around, color=colour, alpha=0.15)
  axes.set(xlabel=x_label, ylabel=y_label)
  if x_limits:
    axes.set_xlim(x_limits)
  if y_limits:
    axes.set_ylim(y_limits)
  axes.grid(color="#dddddd", linewidth=0.6)
  if len(series) > 1:
    axes.legend(fontsize=8.5, framealpha=0.0)
  return to_svg(figure, transparent=True)


def bars(
  names: Sequence[str],
  values: Mapping[str, Sequence[float]],
  x_label: str,
  *,
  thickness: float = 0.17,
) -> bytes:
  """Groups of horizontal bars.

  Args:
    names: of the groups, from top to bottom.
    values: {legend: one value per group}.
    x_label: with its unit.
    thickness: of a bar, in inches.
  """
  legend = 0.24 * -(-len(values) // _LEGEND_COLUMNS) + 0.1 if len(values) > 1 else 0
  figure, axes = _figure(5.6, 0.8 + legend + len(names) * (0.7 + len(values)) * thickness)
  places, height = np.arange(len(names)), 0.8 / len(values)
  for index, (name, lengths) in enumerate(values.items()):
    axes.barh(
      places + (index - (len(values) - 1) / 2) * height,
      lengths,
      height,
      label=name,
      facecolor=_of(COLOURS, index),
      edgecolor="white",
      linewidth=0.5,
      hatch=_of(HATCHES, index),
    )
  axes.set_yticks(places, [name.replace("_", " ") for name in names])
  axes.set_ylim(len(names) - 0.5, -0.5)  # from top to bottom, without a margin
  axes.set(xlabel=x_label, xlim=(0, None))
  axes.grid(color="#dddddd", linewidth=0.6, axis="x")
  axes.set_axisbelow(True)
  if len(values) > 1:
    # above the bars, not on them
    figure.legend(loc="outside upper left", ncols=_LEGEND_COLUMNS, fontsize=8.5, frameon=False)
  return to_svg(figure, transparent=True)


def square_map(values: np.ndarray, label: str, axis_label: str) -> bytes:
  """A map with its centre at zero and the fixed scale 0 to 1, in shades that grow lighter with the
  value.

  Args:
    values: float `[h, w]` in [0, 1].
    label: of the scale.
    axis_label: of both axes.
  """
  figure, axes = _figure(4.8, 4.2)
  reach = [
    half
    for length in reversed(values.shape)
    for half in (-(length // 2) - 0.5, (length - 1) // 2 + 0.5)
  ]
  picture = axes.imshow(
    values,
    cmap="cividis",
    vmin=0,
    vmax=1,
    interpolation="nearest",
    extent=(reach[0], reach[1], reach[3], reach[2]),
  )
  axes.set(xlabel=f"horizontal {axis_label}", ylabel=f"vertical {axis_label}")
  figure.colorbar(picture, ax=axes, label=label)
  return to_svg(figure, transparent=True)


def _figure(width: float, height: float):
  """A figure of that many inches with one frame; matplotlib is slow to import, and only needed
  here.
  """
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  return figure, figure.subplots()


def frames(rows: int, columns: int, width: float, height: float) -> tuple[Any, np.ndarray]:
  """A figure of that many inches with frames in rows and columns, and the frames,
  `[rows, columns]`.
  """
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  return figure, figure.subplots(rows, columns, squeeze=False)


def to_svg(figure: Any, *, transparent: bool = False) -> bytes:
  """The figure as SVG, on white or, for charts that a page turns light on dark, on nothing."""
  from matplotlib import rc_context

  data = io.BytesIO()
  # The same figure gives the same bytes: no date, and names that do not depend on the clock.
  with rc_context({"svg.hashsalt": "apr_jax"}):
    figure.savefig(data, format="svg", metadata={"Date": None}, transparent=transparent)
  return data.getvalue()


def to_png(figure: Any, dots_per_inch: int = 110) -> bytes:
  """The figure as PNG."""
  data = io.BytesIO()
  figure.savefig(data, format="png", dpi=dots_per_inch, metadata={"Software": None})
  return data.getvalue()


def _of(styles: Sequence, index: int):
  return styles[index % len(styles)]

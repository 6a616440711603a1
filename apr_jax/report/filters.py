"""The frequencies of the first layer: shares beside those of white noise, the radial profile, and
pictures of the filters with their spectra.
"""

import math
from collections.abc import Iterator

import numpy as np

from apr_jax import filters
from apr_jax.classifiers.interface import ability
from apr_jax.evaluation.runner import Evaluation
from apr_jax.report import html, plots
from apr_jax.report.runs import Runs, prefix, sections_of

_IN_A_ROW = 8
_SHOWN = 96  # filters at most; of more, evenly spaced ones
_LIMITS = (
  "A filter's power is that of its spectrum at 32 × 32 frequencies: low up to a radius of 0.65 of "
  "Nyquist, middle up to 0.92, high above; each holds a third of the frequencies. These bands are "
  "our choice. Filters of 3 × 3 resolve little: their spectra are broad, so that shares differ "
  "less than the filters look. Where the first convolution strides, as ResNet-50's does, "
  "frequencies above half of Nyquist alias in its output; shares are those before the stride. "
  "Deviations behind ± are those of a layer of as many filters of white noise, which is how the "
  "networks start."
)


def first_layer(runs: Runs) -> str:
  """Tables, bars and the profile, from the results alone."""
  sections = sections_of(runs, "filters")
  if not sections:
    return ""
  rows = [row for name, section in sections.items() for row in _rows(name, section)]
  table = html.table(
    ["run", "measure", "low %", "middle %", "high %", "centroid"],
    rows,
    "how the power of the first layer's filters is spread; the centroid is the mean radius of "
    "the power in units of Nyquist, ± the deviation over the filters",
  )
  charts = [
    html.vector_picture(
      plots.bars([*filters.BANDS], _beside_white(sections, measure), f"{title} (%)"),
      f"First layer: {title}",
      f"{title}, beside that of white noise.",
    )
    for measure, title in (("mean_shares", "mean share"), ("classes", "filters by largest share"))
  ]
  profiles = {name: section["profile"] for name, section in sections.items()}
  lines = {name: (profile["radius"], profile["mean"]) for name, profile in profiles.items()}
  picture = plots.lines(
    lines | {"white noise": ((0, math.sqrt(2)), (1, 1))},
    "radius (units of Nyquist)",
    "power relative to the mean",
    spread={name: profile["std"] for name, profile in profiles.items()},
  )
  profile = html.vector_picture(
    picture,
    "First layer: radial profile",
    "Power of the frequencies in each of 16 rings, relative to that of all; the mean over the "
    "filters, shaded by their standard deviation.",
  )
  silent = [
    html.paragraph(f"{prefix(runs, name)}{section['silent']} filters are zero and count nowhere.")
    for name, section in sections.items()
    if section["silent"]
  ]
  return html.section(
    "Frequencies of the first layer",
    html.paragraph(_LIMITS),
    *silent,
    table,
    html.side_by_side(*charts, profile),
  )


def by_eye(evaluation: Evaluation) -> list[str]:
  """The filters by their centroids, each with its spectrum; nothing where the suite was not run."""
  kernel = ability(evaluation.classifier, "first_kernel")
  if kernel is None or "filters" not in evaluation.results:
    return []
  kernel = np.asarray(kernel, np.float32)
  shares, centroids = np.asarray(filters.band_shares(kernel)), np.asarray(filters.centroids(kernel))
  order = np.argsort(centroids, kind="stable")
  shown = order[np.arange(min(_SHOWN, len(order))) * len(order) // min(_SHOWN, len(order))]
  faces, spectra = _faces(kernel), _spectra(kernel)
  texts = [
    f"{centroid:.2f} {filters.BANDS[share.argmax()] if share.any() else 'zero'}"
    for centroid, share in zip(centroids, shares)
  ]
  key = np.repeat((np.fft.fftshift(filters.bands()) * 127).astype(np.uint8)[..., None], 3, -1)
  rows = [("bands", [(key, "low, middle, high")])]
  for start in range(0, len(shown), _IN_A_ROW):
    chosen = shown[start : start + _IN_A_ROW]
    rows.append(("filters", [(faces[index], "") for index in chosen]))
    rows.append(("spectra", [(spectra[index], texts[index]) for index in chosen]))
  which = "All" if len(shown) == len(order) else f"{len(shown)} of the {len(order)}"
  return [
    html.picture_table(
      (),
      rows,
      f"{which} filters of the first layer, from the lowest centroid to the highest; grey is zero. "
      f"Below each its amplitude spectrum, with the zero frequency in the centre, its centroid in "
      f"units of Nyquist, and the band of its largest share. The first picture shows the bands, "
      f"low in black and high in white.",
    )
  ]


def _rows(name: str, section: dict) -> Iterator[list[str | float | None]]:
  """The measures of a run, and below each what white noise has there."""
  weights = {"energy": "energy", "energy and gain": "energy and batch normalisation"}
  parts = [("", section)]
  if section["without_constant"]:
    parts.append((", without each filter's mean", section["without_constant"]))
  for suffix, part in parts:
    white = part["white"]
    for measure, title in (("mean_shares", "mean share"), ("classes", "filters by largest share")):
      shared = measure == "mean_shares"
      centroid = f"{part['centroid_mean']:.3f} ± {part['centroid_std']:.3f}" if shared else None
      yield [name, f"{title}{suffix}", *part[measure].values(), centroid]
      noise = [
        f"{white[measure][band]:.2f} ± {white['deviation'][measure][band]:.2f}"
        for band in filters.BANDS
      ]
      centroid = f"{white['centroid_mean']:.3f} ± {white['centroid_std']:.3f}" if shared else None
      yield [f"white noise, {_size(section)}", f"{title}{suffix}", *noise, centroid]
    weighted = f"share weighted by {weights[section['weights']]}{suffix}"
    yield [name, weighted, *part["weighted_shares"].values(), None]


def _beside_white(sections: dict[str, dict], measure: str) -> dict[str, list[float]]:
  """{run, and white noise of each size: low, middle, high}."""
  measured = {name: [*section[measure].values()] for name, section in sections.items()}
  white = {
    f"white noise, {_size(section)}": [*section["white"][measure].values()]
    for section in sections.values()
  }
  return measured | white


def _size(section: dict) -> str:
  k, _, channels, _ = section["kernel"]
  return f"{k} × {k} × {channels}"


def _faces(kernel: np.ndarray) -> np.ndarray:
  """Each filter as a picture, uint8 `[O, k, k, 3]`: in colour if it sees three channels, else the
  mean of its channels; its largest number is black or white.
  """
  images = np.moveaxis(kernel if kernel.shape[2] == 3 else kernel.mean(2, keepdims=True), -1, 0)
  largest = np.abs(images).max((1, 2, 3), keepdims=True)
  grey = 0.5 + images / np.where(largest > 0, 2 * largest, 1)
  return np.rint(255 * np.broadcast_to(grey, (*images.shape[:3], 3))).astype(np.uint8)


def _spectra(kernel: np.ndarray) -> np.ndarray:
  """The amplitude spectrum of each filter as a picture, uint8 `[O, 32, 32, 3]`; the largest is
  white.
  """
  amplitude = np.sqrt(np.fft.fftshift(np.asarray(filters.power_spectra(kernel)), axes=(1, 2)))
  largest = amplitude.max((1, 2), keepdims=True)
  grey = np.rint(255 * amplitude / np.where(largest > 0, largest, 1)).astype(np.uint8)
  return np.repeat(grey[..., None], 3, -1)

"""The frequencies of the first layer: shares beside those of white noise, the radial profile, and
pictures of the filters with their spectra.
"""

import math
from collections.abc import Mapping

import numpy as np

from apr_jax import filters
from apr_jax.classifiers.interface import ability
from apr_jax.evaluation.runner import Evaluation
from apr_jax.report import html, plots
from apr_jax.report.runs import Runs, prefix, sections_of

_IN_A_ROW = 8
_SHOWN = 96  # filters at most; of more, evenly spaced ones
_MEASURES = {"mean_shares": "mean share", "classes": "filters by largest share"}
_CAPTION = (
  "How the power of the first layer's filters is spread: the mean over the filters of its shares, "
  "how many filters have their largest share in each band, and the share by the filters' weight: "
  "their energy, times the gain on power of the batch normalisation behind them where it is known. "
  "The centroid is the mean radius of a filter's power in units of Nyquist; ± its deviation over "
  "the filters. ± of white noise is the deviation of a layer of as many filters."
)
_CAPTION_WITHOUT = "The same after each filter's mean is taken away, in each of its channels."
_LIMITS = (
  "A filter's power is that of its spectrum at 32 × 32 frequencies: low up to a radius of 0.65 of "
  "Nyquist, middle up to 0.92, high above; each holds a third of the frequencies. These bands are "
  "our choice. Filters of 3 × 3 resolve little: their spectra are broad, so that shares differ "
  "less than the filters look. Where the first convolution strides, as ResNet-50's does, "
  "frequencies above half of Nyquist alias in its output; shares are those before the stride. "
  "White noise is how a plain network starts."
)


def first_layer(runs: Runs) -> str:
  """Tables, bars and the profile, from the results alone."""
  sections = sections_of(runs, "filters")
  if not sections:
    return ""
  noises = {name: _noise(section) for name, section in sections.items()}
  tables = [
    html.table(
      ["run", "measure", "low %", "middle %", "high %", "centroid"], _rows(parts, noises), caption
    )
    for parts, caption in (
      (sections, _CAPTION),
      ({name: each["without_constant"] for name, each in sections.items()}, _CAPTION_WITHOUT),
    )
    if any(parts.values())
  ]
  charts = [
    html.vector_picture(
      plots.bars([*filters.BANDS], _beside_white(sections, measure), f"{title} (%)"),
      f"First layer: {title}",
      f"First layer: {title}, beside white noise.",
    )
    for measure, title in _MEASURES.items()
  ]
  profiles = {name: section["profile"] for name, section in sections.items()}
  lines = {name: (profile["radius"], profile["mean"]) for name, profile in profiles.items()}
  highest = max(
    mean + std for each in profiles.values() for mean, std in zip(each["mean"], each["std"])
  )
  picture = plots.lines(
    lines | {"white noise": ((0, math.sqrt(2)), (1, 1))},
    "radius (units of Nyquist)",
    "power relative to the mean",
    y_limits=(0, 1.05 * max(1, highest)),
    spread={name: profile["std"] for name, profile in profiles.items()},
  )
  profile = html.vector_picture(
    picture,
    "First layer: radial profile",
    "Power of the frequencies in each of 16 rings, relative to that of all; the mean over the "
    "filters, shaded by their standard deviation.",
  )
  zero = "filters that are zero and count nowhere"
  silent = [
    html.paragraph(f"{prefix(runs, name)}{zero}: {section['silent']}.")
    for name, section in sections.items()
    if section["silent"]
  ]
  return html.section(
    "Frequencies of the first layer",
    html.paragraph(_LIMITS),
    *silent,
    *tables,
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
  rows = [("bands", [(key, "")])]
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


def _rows(found: Mapping[str, dict | None], noises: dict[str, str]) -> list[list[str | float]]:
  """Each measure of all runs, and below them what white noise of their sizes has there.

  Args:
    found: {run: what was measured, if anything}.
    noises: {run: what the noise of its size is called}.
  """
  parts = {name: part for name, part in found.items() if part}
  white = {noises[name]: part["white"] for name, part in parts.items()}
  rows: list[list[str | float]] = []
  for measure, title in _MEASURES.items():
    centred = measure == "mean_shares"
    for name, part in parts.items():
      rows.append([name, title, *part[measure].values(), _centroid(part) if centred else ""])
    for name, noise in white.items():
      shares = [
        f"{noise[measure][band]:.2f} ± {noise['deviation'][measure][band]:.2f}"
        for band in filters.BANDS
      ]
      rows.append([name, title, *shares, _centroid(noise) if centred else ""])
  for name, part in parts.items():
    rows.append([name, "share by weight", *part["weighted_shares"].values(), ""])
  return rows


def _centroid(part: dict) -> str:
  return f"{part['centroid_mean']:.3f} ± {part['centroid_std']:.3f}"


def _beside_white(sections: dict[str, dict], measure: str) -> dict[str, list[float]]:
  """{run, and white noise of each size: low, middle, high}."""
  measured = {name: [*section[measure].values()] for name, section in sections.items()}
  white = {_noise(section): [*section["white"][measure].values()] for section in sections.values()}
  return measured | white


def _noise(section: dict) -> str:
  """What the noise beside a layer is called."""
  k, _, channels, count = section["kernel"]
  return f"white noise, {count - section['silent']} of {k} × {k} × {channels}"


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

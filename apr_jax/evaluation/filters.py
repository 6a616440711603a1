"""How the filters of the first layer are spread over low, middle and high frequencies.

No image is looked at: the kernel of the first convolution says it all. Bands, shares and centroids
are those of `apr_jax.filters`; beside each number stands what filters of white noise of the same
size measure.

The definitions are ours. That the proportion of filters of different frequency matters to
robustness is the claim of Jia, Bao and Ma (https://arxiv.org/abs/1911.12044), of which only the
abstract is public.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from apr_jax import filters
from apr_jax.classifiers.interface import ability, need
from apr_jax.errors import UserError
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task


@dataclasses.dataclass(frozen=True)
class Filters(Evaluator):
  """The frequencies of the first layer's filters.

  Attributes:
    noise: filters of white noise that are measured beside them.
    seed: of that noise.
  """

  noise: int = 4000
  seed: int = 0

  needs: ClassVar[tuple[str, ...]] = ("first_kernel",)
  headlines: ClassVar[Mapping[str, Headline]] = {
    "first_layer_low": Headline("first layer low %", lambda summary: summary["mean_shares"]["low"])
  }

  def parts(self, task: Task) -> Parts:
    """One part, "first layer"."""
    if self.noise < 2:
      raise UserError(f"the suite filters needs noise of 2 filters or more, got {self.noise}")
    kernel = np.asarray(need(task.classifier, "first_kernel", "the suite filters"))
    gain = ability(task.classifier, "first_gain")
    filters.band_shares(kernel)  # refuses what is no kernel
    if not np.isfinite(kernel).all() or not kernel.any():
      raise UserError(
        f"the first kernel of {task.classifier.name!r} is zero everywhere or not finite; such a "
        f"layer has no frequencies"
      )
    yield "first layer", lambda: self._measure_all(kernel, gain)

  def summarise(self, results: dict) -> dict:
    """Shares and classes in percent, as {"low", "middle", "high"}; centroids in units of Nyquist,
    from 0 to √2.

    "classes": how many filters have their largest share in each band. "mean_shares": the mean over
    the filters of the part of their power in each band. "weighted_shares": the same weighted by the
    filters' "weights", which are their "energy" or "energy and gain", the gain being that of the
    batch normalisation behind them. "centroid_mean" and "centroid_std" over the filters. "white":
    "classes", "mean_shares", "centroid_mean" and "centroid_std" of filters of white noise, and
    "deviation": by how much the "classes" and "mean_shares" of a layer of so many white filters
    deviate. "without_constant": all of these after each filter's mean is taken away, or None for 1
    × 1 filters, of which nothing is left.

    "kernel": [k, k, C, O]; "silent": filters that are zero everywhere, which count nowhere.
    "profile": the mean power of the bins in each of 16 rings relative to that of all bins, by the
    "radius" of the middle of the ring: "mean" and "std" over the filters; white noise has 1.
    "by_filter": "low", "middle", "high" and "centroid" of each filter, in their order.
    """
    return results["first layer"]

  def lines(self, summary: dict) -> list[str]:
    """The mean shares, beside those of white noise."""
    low, middle, high = (summary["mean_shares"][band] for band in filters.BANDS)
    white = ", ".join(f"{summary['white']['mean_shares'][band]:.2f}" for band in filters.BANDS)
    k, _, channels, count = summary["kernel"]
    return [
      f"first layer low        {low:6.2f} %   (middle {middle:.2f}, high {high:.2f}; white noise "
      f"{white}; {count} filters of {k} × {k} × {channels})"
    ]

  def _measure_all(self, kernel: np.ndarray, gain: np.ndarray | None) -> dict[str, Any]:
    profiles = np.asarray(filters.radial_profile(kernel), np.float64)
    shares = 100 * np.asarray(filters.band_shares(kernel), np.float64)
    heard = shares.any(1)
    centroids = np.asarray(filters.centroids(kernel), np.float64)
    ring = np.sqrt(2) / filters.RINGS
    return self._measure(kernel, gain, constant=True) | {
      "without_constant": self._measure(kernel, gain, constant=False) if len(kernel) > 1 else None,
      "weights": "energy" if gain is None else "energy and gain",
      "kernel": list(kernel.shape),
      "silent": int((~heard).sum()),
      "profile": {
        "radius": (ring * (np.arange(filters.RINGS) + 0.5)).tolist(),
        "mean": profiles[heard].mean(0).tolist(),
        "std": profiles[heard].std(0).tolist(),
      },
      "by_filter": [
        _by_band(row) | {"centroid": centroid} for row, centroid in zip(shares, centroids.tolist())
      ],
    }

  def _measure(self, kernel: np.ndarray, gain: np.ndarray | None, constant: bool) -> dict[str, Any]:
    """What is measured with and without the filters' means."""
    found = filters.proportion(kernel, gain, constant=constant)
    centroids = np.asarray(filters.centroids(kernel, constant=constant), np.float64)
    heard = centroids[centroids > 0]
    k, _, channels, _ = kernel.shape
    white = filters.white_baseline(k, channels, constant=constant, count=self.noise, seed=self.seed)
    count = max(1, len(heard))
    deviation = {
      "classes": _by_band(100 * np.sqrt(white.classes * (1 - white.classes) / count)),
      "mean_shares": _by_band(100 * white.share_std / np.sqrt(count)),
    }
    return {name: _by_band(100 * np.asarray(each)) for name, each in found._asdict().items()} | {
      "centroid_mean": float(heard.mean()) if len(heard) else 0.0,
      "centroid_std": float(heard.std()) if len(heard) else 0.0,
      "white": {
        "classes": _by_band(100 * white.classes),
        "mean_shares": _by_band(100 * white.mean_shares),
        "centroid_mean": white.centroid_mean,
        "centroid_std": white.centroid_std,
        "deviation": deviation,
      },
    }


def _by_band(values: Sequence[float] | np.ndarray) -> dict[str, float]:
  return {band: float(value) for band, value in zip(filters.BANDS, values)}

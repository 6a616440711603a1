"""The second source's controlled experiment: a first layer whose filters have fixed frequencies.

The filters of the first convolution are dealt out to three bands, `model.first_layer` of kind
"proportion": each has coefficients of the DCT in its band alone. "free" is the plain layer; "low",
"middle" and "high" have filters of one band, "balanced" a third of each; "low_0.25" and the like
are a sweep with the rest split evenly.

Reference: Jia, Bao and Ma, arXiv:1911.12044, of which the abstract alone is public; all definitions
are ours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from apr_jax.settings import Rule, numbers, setting
from apr_jax.studies.grid import Grid

_PURE = {
  "low": (1.0, 0.0, 0.0),
  "middle": (0.0, 1.0, 0.0),
  "high": (0.0, 0.0, 1.0),
  "balanced": (1 / 3, 1 / 3, 1 / 3),
}


@dataclasses.dataclass(frozen=True)
class FilterProportion(Grid):
  """Errors by the proportion of low, middle and high filters."""

  kernel_size: int = setting(
    0,
    "side of the filters in pixels; 0 = the network's own",
    Rule("0, or an odd number above 1", lambda size: size == 0 or (size > 1 and size % 2 == 1)),
  )
  sweep: tuple[float, ...] = setting(
    (0.0, 0.25, 0.5, 0.75),
    "more shares of low filters, the rest split evenly",
    numbers("numbers in 0..1", holds=lambda given: all(0 <= value <= 1 for value in given)),
  )

  title: ClassVar[str] = "A first layer with a fixed proportion of frequencies"
  asks: ClassVar[str] = (
    "What does the proportion of low, middle and high filters in the first layer do to the error "
    "under corruptions?"
  )
  published: ClassVar[str] = (
    "the proportion has a great effect on the robustness to common corruptions (Jia, Bao and Ma, "
    "abstract; which proportion is better, and by how much, is not public)"
  )
  quick: ClassVar[Mapping[str, Any]] = {**Grid.quick, "sweep": ()}

  def variants(self) -> Mapping[str, Mapping[str, Any]]:
    size = {"model.first_layer.kernel_size": self.kernel_size}
    swept = {f"low_{low:g}": (low, (1 - low) / 2, (1 - low) / 2) for low in self.sweep}
    return {
      "free": size,
      **{
        name: size
        | {"model.first_layer.kind": "proportion", "model.first_layer.proportion": proportion}
        for name, proportion in (_PURE | swept).items()
      },
    }

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "networks" {variant: scores}; "range", the largest less the smallest mean corruption error
    of the three pure proportions and the balanced one, in points, and "seed_deviation", the mean
    deviation over the seeds (null with one). "agrees": the range is more than twice that; null
    with one seed.
    """
    networks = self.averaged(results)
    corrupted = [networks[name]["corrupted"] for name in _PURE]
    means = [found["mean"] for found in corrupted]
    spread = max(means) - min(means)
    deviations = [found["deviation"] for found in corrupted if found["deviation"] is not None]
    noise = sum(deviations) / len(deviations) if deviations else None
    return {
      "networks": networks,
      "range": spread,
      "seed_deviation": noise,
      "agrees": spread > 2 * noise if noise is not None else None,
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The range, and the errors of each proportion."""
    noise = summary["seed_deviation"]
    against = "one seed" if noise is None else f"deviation over the seeds {noise:.2f}"
    return [
      f"mean corruption error of the proportions differs by {summary['range']:.2f} points "
      f"({against})",
      *(
        f"{name}: clean {found['clean']['mean']:.2f} %, corrupted "
        f"{found['corrupted']['mean']:.2f} %, noise {found['noise']['mean']:.2f} %"
        for name, found in summary["networks"].items()
      ),
    ]

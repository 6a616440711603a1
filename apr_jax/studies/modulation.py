"""The second source's ablation: learnable modulation, and perturbation of the power spectrum.

"modulation" learns a gain on power per filter and band, `model.first_layer`. The abstract's
"perturbation in the power spectrum" allows two readings: A, of the filters' gains in each training
step; B, of the images. Each is alone and together here, so that one sees where a gain comes from.

Reference: Jia, Bao and Ma, arXiv:1911.12044, of which the abstract alone is public; all definitions
are ours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.settings import Rule, above, setting, share
from apr_jax.studies.grid import Grid

_BANDS = ("low", "middle", "high")


@dataclasses.dataclass(frozen=True)
class Modulation(Grid):
  """Errors with and without modulation, A and B."""

  kernel_size: int = setting(
    0,
    "side of the filters in pixels; 0 = the network's own",
    Rule("0, or an odd number above 1", lambda size: size == 0 or (size > 1 and size % 2 == 1)),
  )
  sigma: float = setting(0.5, "of A, the filters' perturbation", above(0))
  tau: float = setting(1.0, "of B, the images' perturbation", above(0))
  prob: float = setting(0.5, "of B, per image", share())
  apr_sp: bool = setting(True, "each also with APR-SP")

  title: ClassVar[str] = "Learnable modulation and perturbation of the power spectrum"
  asks: ClassVar[str] = (
    "Does a learnable modulation of the first layer's frequencies with perturbation in the power "
    "spectrum help against corruptions, and does the gain come from the layer or from the images?"
  )
  published: ClassVar[str] = (
    "the modulation lowers the mean error on CIFAR-10-C considerably and hardly changes the clean "
    "one (Jia, Bao and Ma, abstract; ResNet-18; the definitions are not public)"
  )
  quick: ClassVar[Mapping[str, Any]] = {**Grid.quick, "apr_sp": False}

  def variants(self) -> Mapping[str, Mapping[str, Any]]:
    size = {"model.first_layer.kernel_size": self.kernel_size}
    layer = size | {"model.first_layer.kind": "modulation"}
    a = {"model.first_layer.sigma": self.sigma}
    b = {
      "augment.power_perturbation.prob": self.prob,
      "augment.power_perturbation.tau": self.tau,
    }
    rows: dict[str, dict[str, Any]] = {
      "plain": size,
      "modulation": layer,
      "modulation_a": layer | a,
      "b": size | b,
      "modulation_b": layer | b,
      "modulation_ab": layer | a | b,
    }
    if self.apr_sp:
      apr = {"augment.apr_s.prob": 1.0, "augment.apr_p.prob": 0.6}
      rows |= {f"{name}_apr_sp": changes | apr for name, changes in rows.items()}
    return rows

  def extra(self, classifier: LoadedClassifier, results: Mapping[str, Any]) -> dict[str, Any]:
    gains = classifier.first_layer_gains
    found = super().extra(classifier, results)
    if gains is None:
      return found
    return found | {
      f"gain_{band}": float(gain) for band, gain in zip(_BANDS, np.mean(gains, axis=0))
    }

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "networks" {variant: scores, and the learnt mean gains "gain_low" and so on}; "gains", by
    how many points the mean corruption error is below that of the plain network; "from_layer":
    whether modulation with both perturbations gains more than B alone; "agrees": whether it gains.
    """
    networks = self.averaged(results)
    plain = networks["plain"]["corrupted"]["mean"]
    gains = {
      name: plain - found["corrupted"]["mean"]
      for name, found in networks.items()
      if name != "plain"
    }
    whole = gains["modulation_ab"]
    return {
      "networks": networks,
      "gains": gains,
      "from_layer": whole > gains["b"],
      "agrees": whole > 0,
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """Each variant against the plain network."""
    plain = summary["networks"]["plain"]
    return [
      f"plain: clean {plain['clean']['mean']:.2f} %, corrupted {plain['corrupted']['mean']:.2f} %",
      *(
        f"{name}: clean {summary['networks'][name]['clean']['mean']:.2f} %, corrupted "
        f"{summary['networks'][name]['corrupted']['mean']:.2f} %, {gain:+.2f} points better"
        for name, gain in summary["gains"].items()
      ),
    ]

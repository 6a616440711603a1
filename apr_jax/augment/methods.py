"""The methods of augmentation by name, and which of them go together.

A method's settings are the section `augment.<name>` of a configuration.
"""

from collections.abc import Mapping
from typing import Any

from apr_jax import settings
from apr_jax.augment.afa import Afa
from apr_jax.augment.apr import AprP, AprS
from apr_jax.augment.augmix import AugMix
from apr_jax.augment.autoaugment import AutoAugment, RandomAutoAugment
from apr_jax.augment.bands import Bands
from apr_jax.augment.csi import Csi
from apr_jax.augment.cutout import Cutout
from apr_jax.augment.hybrid import HybridP, HybridS
from apr_jax.augment.method import STAGES, Method
from apr_jax.augment.mix import CutMix, Mixup
from apr_jax.augment.patch_uniform import PatchUniform
from apr_jax.augment.power import PowerPerturbation
from apr_jax.augment.prime import Prime
from apr_jax.augment.simclr import SimCLR
from apr_jax.augment.two_labels import TwoLabels
from apr_jax.augment.vipaug import VipAug
from apr_jax.errors import UserError

METHODS: dict[str, type[Method]] = {
  "apr_s": AprS,
  "apr_p": AprP,
  "hybrid_s": HybridS,
  "hybrid_p": HybridP,
  "cutout": Cutout,
  "patch_uniform": PatchUniform,
  "power_perturbation": PowerPerturbation,
  "mixup": Mixup,
  "cutmix": CutMix,
  "autoaugment": AutoAugment,
  "random_autoaugment": RandomAutoAugment,
  "augmix": AugMix,
  "simclr": SimCLR,
  "csi": Csi,
  "two_labels": TwoLabels,
  "bands": Bands,
  "vipaug": VipAug,
  "prime": Prime,
  "afa": Afa,
}


def switched_on(augment: Mapping[str, Any]) -> dict[str, Method]:
  """The methods that are on, by name.

  Args:
    augment: `config.augment`. A method that it does not know is younger than it, and off.

  Raises:
    UserError: two of them exclude each other.
  """
  known = {
    name: settings.read(cls, augment[name]) for name, cls in METHODS.items() if name in augment
  }
  on = {name: method for name, method in known.items() if method.on}
  groups = [[name for name, method in on.items() if method.stage == stage] for stage in STAGES]
  if any(method.stage == "views" for method in on.values()):
    groups = [[name for name, method in on.items() if method.stage != "beside"], groups[-1]]
  for group in groups:
    if len(group) > 1:
      listed = " and ".join(f"augment.{name}" for name in group)
      raise UserError(f"{listed} exclude each other; switch all but one of them off")
  return on


def needs_auxiliary_norm(augment: Mapping[str, Any]) -> bool:
  """Whether `config.augment` has a view that passes through batch normalisation of its own."""
  return any(method.stage == "beside" for method in switched_on(augment).values())


def needs_projection(augment: Mapping[str, Any]) -> bool:
  """Whether `config.augment` trains with a projection beside the logits."""
  return any(method.projection for method in switched_on(augment).values())

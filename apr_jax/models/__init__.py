"""Networks, one file per family; `zoo` names them."""

from apr_jax.losses import Outputs
from apr_jax.models.first_layer import FirstLayer
from apr_jax.models.zoo import DTYPES, NETWORKS, NetworkSpec, NormalisedNetwork, make

__all__ = [
  "DTYPES",
  "NETWORKS",
  "FirstLayer",
  "NetworkSpec",
  "NormalisedNetwork",
  "Outputs",
  "make",
]

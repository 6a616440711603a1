"""Networks, one file per family; `zoo` names them."""

from apr_jax.losses import Outputs
from apr_jax.models.zoo import DTYPES, NETWORKS, NetworkSpec, NormalisedNetwork, make

__all__ = ["DTYPES", "NETWORKS", "NetworkSpec", "NormalisedNetwork", "Outputs", "make"]

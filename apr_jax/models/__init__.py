"""Networks, one file per family; `zoo` names them."""

from apr_jax.models.zoo import NETWORKS
from apr_jax.models.zoo import Classifier
from apr_jax.models.zoo import make

__all__ = ["Classifier", "NETWORKS", "make"]

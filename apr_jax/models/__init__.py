"""Networks, one file per family; `zoo` names them."""

from apr_jax.models.zoo import NETWORKS, Classifier, make

__all__ = ["NETWORKS", "Classifier", "make"]

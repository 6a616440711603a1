"""What every configuration begins with: `apr_jax/defaults.py`, where each key stands once."""

from apr_jax.defaults import get_config

__all__ = ["get_config"]

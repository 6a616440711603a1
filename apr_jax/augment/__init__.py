"""Augmentations: plain functions of a key and a batch that run inside the compiled step."""

from apr_jax.augment import ops
from apr_jax.augment.afa import afa
from apr_jax.augment.apr import apr_p, apr_s
from apr_jax.augment.crop_flip import random_crop, random_flip
from apr_jax.augment.hybrid import ha_p, ha_s
from apr_jax.augment.power import power_perturbation
from apr_jax.augment.prime import prime
from apr_jax.augment.vipaug import vipaug

__all__ = [
  "afa",
  "apr_p",
  "apr_s",
  "ha_p",
  "ha_s",
  "ops",
  "power_perturbation",
  "prime",
  "random_crop",
  "random_flip",
  "vipaug",
]

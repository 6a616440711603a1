"""Attacks: plain functions that change images so that a network errs, in training and in
evaluation.
"""

from apr_jax.attacks.apgd import APGD
from apr_jax.attacks.ensemble import EPSILON, AutoAttack, autoattack
from apr_jax.attacks.fab import FAB
from apr_jax.attacks.repeated_pgd import PGD
from apr_jax.attacks.result import CLEAN, Result, join
from apr_jax.attacks.square import Square
from apr_jax.attacks.versions import ATTACKS, STANDARD, VERSIONS

__all__ = [
  "APGD",
  "ATTACKS",
  "CLEAN",
  "EPSILON",
  "FAB",
  "PGD",
  "STANDARD",
  "VERSIONS",
  "AutoAttack",
  "Result",
  "Square",
  "autoattack",
  "join",
]

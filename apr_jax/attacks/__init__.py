"""Attacks: plain functions that change images so that a network errs, in training and in
evaluation.
"""

from apr_jax.attacks.apgd import APGD
from apr_jax.attacks.ensemble import ATTACKS, EPSILON, STANDARD, VERSIONS, AutoAttack, autoattack
from apr_jax.attacks.fab import FAB
from apr_jax.attacks.result import CLEAN, Result, join
from apr_jax.attacks.square import Square

__all__ = [
  "APGD",
  "ATTACKS",
  "CLEAN",
  "EPSILON",
  "FAB",
  "STANDARD",
  "VERSIONS",
  "AutoAttack",
  "Result",
  "Square",
  "autoattack",
  "join",
]

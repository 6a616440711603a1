"""The attacks by their names, and the ensembles of them."""

from collections.abc import Sequence

from apr_jax.attacks.apgd import APGD
from apr_jax.attacks.attack import Attack
from apr_jax.attacks.fab import FAB
from apr_jax.attacks.repeated_pgd import PGD
from apr_jax.attacks.result import CLEAN
from apr_jax.attacks.square import Square
from apr_jax.errors import UserError, lookup

ATTACKS: dict[str, Attack] = {
  attack.name: attack
  for attack in (
    APGD("ce", "apgd-ce"),
    APGD("dlr", "apgd-dlr"),
    APGD("targeted-dlr", "apgd-t"),
    FAB(False, "fab"),
    FAB(True, "fab-t"),
    Square("square"),
    PGD("pgd"),
  )
}
"""The attacks by their names, with one restart; `APGD("ce", "mine", restarts=3)` is another."""

VERSIONS: dict[str, tuple[Attack, ...]] = {
  "standard": tuple(ATTACKS[name] for name in ("apgd-ce", "apgd-t", "fab-t", "square")),
  "plus": (
    APGD("ce", "apgd-ce", restarts=5),
    APGD("dlr", "apgd-dlr", restarts=5),
    FAB(False, "fab", restarts=5),
    *(ATTACKS[name] for name in ("square", "apgd-t", "fab-t")),
  ),
  "rand": (APGD("ce", "apgd-ce", passes=20), APGD("dlr", "apgd-dlr", passes=20)),
}
"""The ensembles by their names."""

STANDARD = tuple(attack.name for attack in VERSIONS["standard"])


def chosen(attacks: str | Sequence[str | Attack]) -> tuple[Attack, ...]:
  """The attacks of a version, or of names and attacks in any mixture.

  Raises:
    UserError: an unknown name, none, or one name twice.
  """
  if isinstance(attacks, str):
    return lookup(VERSIONS, attacks, "version of AutoAttack")
  found = tuple(lookup(ATTACKS, one, "attack") if isinstance(one, str) else one for one in attacks)
  names = [attack.name for attack in found]
  if not names or len(set(names)) < len(names) or CLEAN in names:
    raise UserError(
      f"attacks must be one or more of different names, none of them {CLEAN!r}; "
      f"got {', '.join(names) or 'none'}"
    )
  return found

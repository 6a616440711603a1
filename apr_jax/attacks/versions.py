"""The attacks by their names, and the ensembles of them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from apr_jax.attacks.apgd import APGD
from apr_jax.attacks.fab import FAB
from apr_jax.attacks.network import Given, Network, Outcome
from apr_jax.attacks.repeated_pgd import PGD
from apr_jax.attacks.result import CLEAN
from apr_jax.attacks.square import Square
from apr_jax.errors import UserError, lookup


class Attack(Protocol):
  """What the ensemble runs.

  Attributes:
    name: of the attack in the results; it also selects its random numbers.
    targeted: one run per target class.
    targets: at most so many target classes, where it is targeted.
    gradient_free: it sees only the logits.
    restarts: runs per target.
    calls: of its compiled step in one run.
  """

  @property
  def name(self) -> str: ...

  @property
  def targeted(self) -> bool: ...

  @property
  def targets(self) -> int: ...

  @property
  def gradient_free(self) -> bool: ...

  @property
  def restarts(self) -> int: ...

  @property
  def calls(self) -> int: ...

  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""

  def __call__(
    self,
    network: Network,
    given: Given,
    count: int,
    *,
    epsilon: float,
    restart: int,
    report: Callable[[int], None],
  ) -> Outcome:
    """One run on one batch, of which `count` rows are images."""


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

"""What every attack of the ensemble is: settings, and a plan that `network.pursue` carries out."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from apr_jax.attacks.network import Given, Network, Outcome, pursue


class Plan(NamedTuple):
  """What one run does on one batch.

  Attributes:
    step: compiled (state, given, *arguments) → state.
    state: at the start; see `network.pursue`.
    calls: the arguments of each call of the step.
  """

  step: Callable
  state: Any
  calls: Sequence[tuple]


class Attack(abc.ABC):
  """One attack.

  An attack is a frozen dataclass derived from this. What is said here holds where it says nothing
  else.

  Attributes:
    name: of the attack in the results; it also selects its random numbers.
    restarts: runs on what still stands; of a targeted attack, per target.
    read_every: calls of the step between two looks at what still stands.
  """

  name: str
  restarts: int
  read_every: ClassVar[int] = 10

  @property
  def targeted(self) -> bool:
    """Whether there is one run per target class."""
    return False

  @property
  def targets(self) -> int:
    """At most so many target classes, if it is targeted."""
    return 0

  @property
  def gradient_free(self) -> bool:
    """Whether it sees only the logits."""
    return False

  @abc.abstractmethod
  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""

  @abc.abstractmethod
  def plan(self, network: Network, given: Given, epsilon: float, restart: int) -> Plan:
    """One run on one batch.

    Args:
      network: the attacked function.
      given: the images, one row each.
      epsilon: the largest change of a value.
      restart: number of the run, from 0.
    """

  def __call__(
    self,
    network: Network,
    given: Given,
    count: int,
    *,
    epsilon: float,
    restart: int,
    report: Callable[[float], None],
  ) -> Outcome:
    """Carries out the plan on one batch, of which `count` rows are images.

    `report` is called with the number of (runs × images) since the last time.
    """
    plan = self.plan(network, given, epsilon, restart)
    return pursue(
      network,
      plan.step,
      plan.state,
      given,
      plan.calls,
      count,
      read_every=self.read_every,
      report=lambda done: report(done / len(plan.calls)),
    )

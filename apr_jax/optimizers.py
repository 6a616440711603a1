"""Optimizers, by name.

To add one: write a function and add a line to `OPTIMIZERS`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import ml_collections
import optax

from apr_jax.errors import lookup

Momentum: TypeAlias = float | optax.Schedule
"""A number, or a function of the step."""

UNDECAYED = ("gain_logits",)
"""Names of parameters without weight decay: those of the first layer's gains, which would be drawn
back to 1."""


def sgd(
  settings: ml_collections.ConfigDict, schedule: optax.Schedule, momentum: Momentum
) -> optax.GradientTransformation:
  """SGD the PyTorch way: weight decay on all parameters but `UNDECAYED`, added to the gradient
  before the momentum.
  """
  return optax.chain(
    _decay(settings.weight_decay, settings.decay_norms),
    _sgd(schedule, momentum, settings.nesterov),
  )


def lars(
  settings: ml_collections.ConfigDict, schedule: optax.Schedule, momentum: Momentum
) -> optax.GradientTransformation:
  """SGD whose steps are in proportion to the parameters (https://arxiv.org/abs/1708.03888).

  Of each array, the gradient with its weight decay is brought to a thousandth of the array's length
  before the momentum; where either is zero it is left as it is. SimCLR and CSI train with it; as in
  CSI's released code no parameter is left out, though those of `UNDECAYED` do not decay. That code
  adds the lengths of gradient and weight decay, here it is the length of the sum.
  """
  return optax.chain(
    _decay(settings.weight_decay, settings.decay_norms),
    optax.scale_by_trust_ratio(trust_coefficient=1e-3),
    _sgd(schedule, momentum, settings.nesterov),
  )


OPTIMIZERS = {"sgd": sgd, "lars": lars}


def make_optimizer(
  settings: ml_collections.ConfigDict,
  schedule: optax.Schedule,
  momentum: Momentum | None = None,
  only: Sequence[str] = (),
) -> optax.GradientTransformation:
  """The optimizer of `config.optimizer`, behind a bound on the gradient's norm if there is one.

  The norm is that of all parameters together, before weight decay, as PyTorch's `clip_grad_norm_`
  takes it.

  Args:
    settings: `config.optimizer`.
    schedule: the learning rate as a function of the step.
    momentum: what `schedules.make_momentum` says; None: `settings.momentum` throughout.
    only: names of the layers whose parameters are changed, by weight decay too; () = of all.

  Raises:
    UserError: unknown name.
  """
  make = lookup(OPTIMIZERS, settings.name, "optimizer.name")
  rule = make(settings, schedule, settings.momentum if momentum is None else momentum)
  if settings.clip_norm:
    rule = optax.chain(optax.clip_by_global_norm(settings.clip_norm), rule)
  return optax.chain(rule, _only(only)) if only else rule


def _only(layers: Sequence[str]) -> optax.GradientTransformation:
  """Leaves the parameters of other layers as they are; it has no state."""

  def kept(path: tuple[Any, ...], change: jax.Array) -> jax.Array:
    return change if {str(getattr(part, "key", "")) for part in path} & {*layers} else 0 * change

  return optax.stateless(lambda updates, _: jax.tree.map_with_path(kept, updates))


def _decay(weight: float, norms: bool) -> optax.GradientTransformation:
  """`optax.add_decayed_weights` but for `UNDECAYED`, and without `norms` for scales and biases of
  normalisation; it has no state either, where optax's masks have one.
  """

  def update(updates: Any, params: Any) -> Any:
    if not weight:
      return updates
    paths = [path for path, _ in jax.tree.leaves_with_path(params)]
    scaled = {path[:-1] for path in paths if _name(path).endswith("scale")}

    def add(path: tuple[Any, ...], gradient: jax.Array, value: jax.Array) -> jax.Array:
      spared = _name(path) in UNDECAYED or (not norms and path[:-1] in scaled)
      return gradient if spared else gradient + weight * value

    return jax.tree.map_with_path(add, updates, params)

  return optax.stateless(update)


def _sgd(
  schedule: optax.Schedule, momentum: Momentum, nesterov: bool
) -> optax.GradientTransformation:
  if not callable(momentum):
    return optax.sgd(schedule, momentum or None, nesterov)
  # The state holds the number of the step for the momentum too, and only here.
  trace = optax.inject_hyperparams(optax.trace, static_args="nesterov")
  return optax.chain(
    trace(decay=momentum, nesterov=nesterov), optax.scale_by_learning_rate(schedule)
  )


def _name(path: tuple[Any, ...]) -> str:
  """The name of a parameter; "" where the tree is that parameter alone."""
  return str(getattr(path[-1], "key", "")) if path else ""

"""Optimizers, by name.

To add one: write a function and add a line to `OPTIMIZERS`.
"""

import ml_collections
import optax

from apr_jax.errors import lookup


def sgd(
  settings: ml_collections.ConfigDict, schedule: optax.Schedule
) -> optax.GradientTransformation:
  """SGD the PyTorch way: weight decay on all parameters, added to the gradient before the
  momentum.
  """
  return optax.chain(
    optax.add_decayed_weights(settings.weight_decay),
    optax.sgd(schedule, settings.momentum or None, settings.nesterov),
  )


def lars(
  settings: ml_collections.ConfigDict, schedule: optax.Schedule
) -> optax.GradientTransformation:
  """SGD whose steps are in proportion to the parameters (https://arxiv.org/abs/1708.03888).

  Of each array, the gradient with its weight decay is brought to a thousandth of the array's length
  before the momentum; where either is zero it is left as it is. SimCLR and CSI train with it; as in
  CSI's released code no parameter is left out. That code adds the lengths of gradient and weight
  decay, here it is the length of the sum.
  """
  return optax.chain(
    optax.add_decayed_weights(settings.weight_decay),
    optax.scale_by_trust_ratio(trust_coefficient=1e-3),
    optax.sgd(schedule, settings.momentum or None, settings.nesterov),
  )


OPTIMIZERS = {"sgd": sgd, "lars": lars}


def make_optimizer(
  settings: ml_collections.ConfigDict, schedule: optax.Schedule
) -> optax.GradientTransformation:
  """The optimizer of `config.optimizer` with the given learning rate.

  Raises:
    UserError: unknown name.
  """
  return lookup(OPTIMIZERS, settings.name, "optimizer.name")(settings, schedule)

"""Weights that a training starts from: those of another run, or of an import (`model.weights`)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from apr_jax import models, parallel
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.models import norm_route
from apr_jax.run.state import TrainState

_SHOWN = 3  # names in an error


def read(folder: str, spec: models.NetworkSpec) -> dict[str, Any]:
  """The variables of the network in a folder, for a network to start from.

  Args:
    folder: of a run or of an import.
    spec: of the network that is trained.

  Returns:
    "params" and "batch_stats", NumPy arrays as the network that is trained has them; an auxiliary
    batch normalisation starts as the main one.

  Raises:
    UserError: the folder holds no network, or one that does not fit.
  """
  if spec.first_layer.kind != "plain" or spec.label_share is not None:
    raise UserError(
      "model.weights are those of a plain network, and model.first_layer or augment.two_labels "
      "makes another one: leave model.weights empty, or switch those off"
    )
  variables = LoadedClassifier(folder).variables
  network = dataclasses.replace(spec, auxiliary_norm=False).build()
  wanted = jax.eval_shape(
    lambda: {
      "batch_stats": {},
      **network.init(jax.random.key(0), jnp.zeros((1, *spec.image_size, 3))),
    }
  )
  here, there = (
    {"/".join(path): leaf.shape for path, leaf in traverse_util.flatten_dict(tree).items()}
    for tree in (wanted, variables)
  )
  differing = [name for name in here | there if here.get(name) != there.get(name)]
  if differing:
    listed = ", ".join(
      f"{name} ({there.get(name, 'none')} there, {here.get(name, 'none')} here)"
      for name in differing[:_SHOWN]
    )
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    raise UserError(
      f"model.weights={folder} is of another network: {listed}{more}; give a folder with a "
      f"{spec.name} of {spec.num_classes} classes"
    )
  return norm_route.with_auxiliary(variables) if spec.auxiliary_norm else variables


def start_from(state: TrainState, variables: dict[str, Any]) -> TrainState:
  """The state of a run's beginning with these variables in place of the drawn ones."""
  state = state.replace(**parallel.replicate(variables))
  if state.average is None:
    return state
  return state.replace(average=parallel.replicate(variables))

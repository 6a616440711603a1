"""The training step: augment, attack if wanted, forward, backward, update, as one pure function.

It is written for one device's share of the batch; `parallel.ParallelStep` runs it on all of them,
and reductions over `AXIS` make the results equal everywhere.
"""

import collections
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from apr_jax import forms, keys
from apr_jax.attacks.pgd import Adversary
from apr_jax.augment.pipeline import Augmentation
from apr_jax.losses import Outputs
from apr_jax.models import NormalisedNetwork
from apr_jax.models.norm_route import AUXILIARY, MAIN
from apr_jax.models.stand_in import STREAM
from apr_jax.parallel import AXIS
from apr_jax.run.state import TrainState

Sums = dict[str, jax.Array]


def train_step(
  state: TrainState,
  images: jax.Array,
  labels: jax.Array,
  key: jax.Array,
  shard: jax.Array,
  *,
  model: NormalisedNetwork,
  augmentation: Augmentation,
  optimizer: optax.GradientTransformation,
  adversary: Adversary | None = None,
  average_decay: float = 0.0,
  skip_nonfinite: bool = False,
) -> tuple[TrainState, Sums]:
  """One update on one global batch.

  Args:
    state: replicated.
    images: uint8 `[b, H, W, 3]`, this device's share of the batch.
    labels: int32 `[b]`.
    key: the step's key, the same on every device.
    shard: index of this device.
    model: the network; in training it returns `Outputs`.
    augmentation: makes V views and targets `[b, K]`, and knows their loss.
    optimizer: the update rule.
    adversary: what `make_adversary` makes; it changes all views so that the loss rises.
    average_decay: of the moving average of the variables, where the state has one.
    skip_nonfinite: a step whose loss or gradient is not finite changes the counts of steps alone.

  Returns:
    the next state, and sums over the global batch, float32 `[]`: "loss" (over examples), "correct"
    (predictions on the first view that are the label), "examples", "nonfinite" (1 or 0). The first
    view is the clean image; where Mixup or CutMix mixes it, a prediction of the partner's label is
    wrong. SimCLR has views alone. With an adversary it is the attacked image.
  """
  positions = shard * len(images) + jnp.arange(len(images))
  views, targets = augmentation(keys.stream(key, "augment"), images, labels, positions, shard)
  dropout_key = jax.random.fold_in(keys.stream(key, "dropout"), shard)
  first_layer_key = keys.stream(key, STREAM)
  groups, auxiliary = augmentation.batch_norm_groups, augmentation.auxiliary_views

  def loss_and_aux(params, views):
    variables = {"params": params, "batch_stats": state.batch_stats}
    outputs, batch_stats = apply_to_views(
      model, variables, views, groups, dropout_key, first_layer_key, auxiliary
    )
    loss = augmentation.loss(outputs, targets, AXIS) + model.first_layer.penalty(params)
    return loss, (outputs.logits[0], batch_stats)

  if adversary is not None:
    # In training mode, as in the released codes; the running statistics of it are not kept.
    with jax.named_scope("adversary"):
      views = adversary(
        keys.stream(key, "adversary"),
        views,
        lambda views: loss_and_aux(state.params, views)[0],
        positions=positions,
      )

  (value, (logits, batch_stats)), gradients = jax.value_and_grad(loss_and_aux, has_aux=True)(
    state.params, views
  )
  with jax.named_scope("statistics"):
    sums = _sums(value, logits, labels)

  with jax.named_scope("update"):
    gradients, batch_stats = jax.lax.pmean((gradients, batch_stats), AXIS)
    new = _updated(state, gradients, batch_stats, optimizer, average_decay)

  return _judged(new, state, gradients, sums, skip_nonfinite)


def _judged(
  new: TrainState, old: TrainState, gradients: Any, sums: Sums, skip: bool
) -> tuple[TrainState, Sums]:
  """What `train_step` returns: the new state and the sums with "nonfinite"; of a step that is not
  finite and is skipped the old state and no sums.
  """
  with jax.named_scope("finite"):
    # The loss of a step may be finite and its gradient not: the next loss would show it, after the
    # state is saved.
    finite = jnp.isfinite(sums["loss"]) & _all_finite(gradients)
    if skip:
      new = _where(finite, new, old)
      sums = jax.tree.map(lambda x: jnp.where(finite, x, 0), sums)
    return new, sums | {"nonfinite": jnp.float32(~finite)}


def _sums(loss: jax.Array, logits: jax.Array, labels: jax.Array) -> Sums:
  """What the step counts, over the global batch."""
  sums = {
    "loss": loss * len(labels),
    "correct": (logits.argmax(-1) == labels).sum(),
    "examples": len(labels),
  }
  return jax.lax.psum(jax.tree.map(jnp.float32, sums), AXIS)


def _updated(
  state: TrainState,
  gradients: Any,
  batch_stats: Any,
  optimizer: optax.GradientTransformation,
  average_decay: float,
) -> TrainState:
  """The state a step on."""
  updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
  new = state.replace(
    step=state.step + 1,
    params=optax.apply_updates(state.params, updates),
    batch_stats=batch_stats,
    opt_state=opt_state,
  )
  if new.average is None:
    return new
  return new.replace(average=moved_average(new, average_decay))


def _all_finite(tree: Any) -> jax.Array:
  """Whether all numbers in it are; bool `[]`."""
  return _finite.bind(*jax.tree.leaves(tree))


def _finite_by_shape(*arrays: jax.Array) -> jax.Array:
  # A TPU takes as long to begin a reduction as to compute it: there are fewer shapes than arrays.
  of_shape = collections.defaultdict(list)
  for array in arrays:
    of_shape[array.shape].append(jnp.isfinite(array))
  return functools.reduce(
    jnp.logical_and,
    (functools.reduce(jnp.logical_and, of_one).all() for of_one in of_shape.values()),
  )


def _finite_in_one(*arrays: jax.Array) -> jax.Array:
  # For a CPU each reduction is compiled by itself, in 20 ms or more: densenet_40_12 has 78 shapes.
  return jnp.isfinite(jnp.concatenate([array.ravel() for array in arrays])).all()


_finite = forms.operation_with_cpu_form("finite", _finite_by_shape, _finite_in_one)


def _where(finite: jax.Array, new: TrainState, old: TrainState) -> TrainState:
  """The new state, or, where the step is not finite, the old one with the new counts, so that the
  learning rate stays that of the step.
  """

  def choose(new: jax.Array, old: jax.Array) -> jax.Array:
    return jnp.where(finite, new, old) if jnp.issubdtype(new.dtype, jnp.inexact) else new

  return jax.tree.map(choose, new, old)


def moved_average(state: TrainState, decay: float) -> Any:
  """The moving average of the variables, a step on: d·average + (1 − d)·variables.

  d is `decay`, but at most (1 + t) / (10 + t) after t steps, so that the first steps, whose weights
  are of little worth, are soon forgotten.

  Args:
    state: after the step, its average still that of before.
    decay: in 0..1.
  """
  steps = state.step.astype(jnp.float32)
  share = jnp.minimum(decay, (1 + steps) / (10 + steps))
  return jax.tree.map(
    lambda average, new: share * average + (1 - share) * new, state.average, state.variables
  )


def apply_to_views(
  model: NormalisedNetwork,
  variables: dict[str, Any],
  views: jax.Array,
  groups: tuple[tuple[int, ...], ...] | None,
  dropout_key: jax.Array,
  first_layer_key: jax.Array,
  auxiliary: int = 0,
) -> tuple[Outputs, Any]:
  """The network in training mode on all views.

  Args:
    model: the network.
    variables: its "params" and "batch_stats".
    views: float32 `[V, b, H, W, 3]`.
    groups: the views that pass together, so that batch normalisation sees them together; None: all.
      Those of the auxiliary route are in none.
    dropout_key: PRNG key.
    first_layer_key: PRNG key, the same on all devices, of what the first layer draws; all views see
      the same draw.
    auxiliary: how many of the last views pass through the auxiliary batch normalisation.

  Returns:
    `Outputs` of all views, `[V, b, ...]`, and the running statistics after the first group of each
    route.

  Raises:
    ValueError: a view is in no group, or in several.
  """
  main = len(views) - auxiliary
  groups = groups or (tuple(range(main)),)
  order = [view for group in groups for view in group]
  if sorted(order) != list(range(main)):
    raise ValueError(f"batch_norm_groups must hold each of {main} views once, got {groups}")
  routes = [MAIN] * len(groups)
  if auxiliary:
    beside = tuple(range(main, len(views)))
    groups, routes, order = (*groups, beside), [*routes, AUXILIARY], [*order, *beside]

  parts, statistics = [], variables["batch_stats"]
  for number, (group, route) in enumerate(zip(groups, routes)):
    together = views if len(groups) == 1 else views[np.array(group)]
    outputs, updates = model.apply(
      {**variables, "batch_stats": statistics},
      together.reshape(-1, *views.shape[2:]),
      train=True,
      route=route,
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.fold_in(dropout_key, number), STREAM: first_layer_key},
    )
    parts.append(jax.tree.map(lambda x, g=group: x.reshape(len(g), views.shape[1], -1), outputs))
    if route not in routes[:number]:
      statistics = updates.get("batch_stats", {})
  if len(parts) == 1:
    return parts[0], statistics
  in_order = np.argsort(order)
  return jax.tree.map(lambda *x: jnp.concatenate(x)[in_order], *parts), statistics

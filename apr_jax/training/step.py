"""The training step: augment, attack if wanted, forward, backward, update, as one pure function.

It is written for one device's share of the batch; `parallel.ParallelStep` runs it on all of them,
and reductions over `AXIS` make the results equal everywhere.
"""

import chex
import jax
import jax.numpy as jnp
import optax

from apr_jax.attacks.pgd import Adversary
from apr_jax.augment.pipeline import Augment
from apr_jax.losses import Loss
from apr_jax.models import NormalisedNetwork
from apr_jax.parallel import AXIS
from apr_jax.run.state import TrainState

Sums = dict[str, jax.Array]

# Continues the numbers of the two keys that are split off the step's key.
_ADVERSARY_KEY = 2


def train_step(
  state: TrainState,
  images: jax.Array,
  labels: jax.Array,
  key: jax.Array,
  shard: jax.Array,
  *,
  model: NormalisedNetwork,
  augment: Augment,
  loss: Loss,
  optimizer: optax.GradientTransformation,
  adversary: Adversary | None = None,
) -> tuple[TrainState, Sums]:
  """One update on one global batch.

  Args:
    state: replicated.
    images: uint8 `[b, H, W, 3]`, this device's share of the batch.
    labels: int32 `[b]`.
    key: the step's key, the same on every device.
    shard: index of this device.
    model, augment, loss, optimizer: what `experiment.build` makes; `augment` makes V views and
      targets `[b, K]`, `loss` takes what the model makes of the views, logits `[V, b, K]` or more,
      and the targets.
    adversary: what `make_adversary` makes; it changes all views so that the loss rises, before the
      step lowers it.

  Returns:
    the next state, and sums over the global batch, float32 `[]`: "loss" (over examples), "correct"
    (predictions on the first view that are the label) and "examples". The first view is the clean
    image, but Mixup and CutMix mix it: there a prediction of the partner's label counts as wrong,
    however large its share. SimCLR has views alone. With an adversary it is the attacked image.
  """
  augment_key, dropout_key = jax.random.split(key)
  positions = shard * len(images) + jnp.arange(len(images))
  views, targets = augment(augment_key, images, labels, positions, shard)
  chex.assert_rank([images, labels, views, targets], [4, 1, 5, 2])

  def loss_and_aux(params, views):
    # One forward pass over all views, so that batch normalisation sees them together.
    logits, updates = model.apply(
      {"params": params, "batch_stats": state.batch_stats},
      views.reshape(-1, *views.shape[2:]),
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.fold_in(dropout_key, shard)},
    )
    logits = logits.reshape(*views.shape[:2], -1)
    return loss(logits, targets), (logits[0], updates.get("batch_stats", {}))

  if adversary is not None:
    # In training mode, as in the released codes; but the running statistics of its passes are not
    # kept.
    views = adversary(
      jax.random.fold_in(key, _ADVERSARY_KEY),
      views,
      lambda views: loss_and_aux(state.params, views)[0],
      positions=positions,
    )

  (value, (logits, batch_stats)), gradients = jax.value_and_grad(loss_and_aux, has_aux=True)(
    state.params, views
  )
  gradients, batch_stats = jax.lax.pmean((gradients, batch_stats), AXIS)
  updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
  state = state.replace(
    step=state.step + 1,
    params=optax.apply_updates(state.params, updates),
    batch_stats=batch_stats,
    opt_state=opt_state,
  )

  # A contrastive network's projection stands behind its logits.
  predicted = logits[:, : targets.shape[1]].argmax(-1)
  sums = {
    "loss": value * len(labels),
    "correct": (predicted == labels).sum(),
    "examples": len(labels),
  }
  return state, jax.lax.psum(jax.tree.map(jnp.float32, sums), AXIS)

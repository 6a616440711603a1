"""Catastrophic overfitting of adversarial training, looked for at the end of each epoch.

A network that is trained on one-step attacks may learn, within an epoch or two, to resist those
alone: its accuracy under them jumps up, and under PGD falls to about zero (Wong et al., Fast is
better than free, ICLR 2020). So the accuracy under PGD is measured on the first batch of the epoch
that has ended, and a fall of more than `FALL` points since the epoch before is said aloud.

As the released codes' early stop does it (locuslab/fast_adversarial; APR's
autoattacks/train_fgsm.py): five steps from a random start, two levels each where epsilon is eight,
on all views of the batch as the training saw them, with the network in training mode. There the
passes also move the running statistics, and an image moves no further once it is misclassified;
here it moves on, and nothing of the run changes.
"""

import functools
import pathlib

import jax
import jax.numpy as jnp
import ml_collections

from apr_jax import keys, parallel
from apr_jax.attacks.pgd import pgd
from apr_jax.augment.pipeline import Augmentation
from apr_jax.models import NormalisedNetwork
from apr_jax.models.stand_in import STREAM
from apr_jax.parallel import AXIS
from apr_jax.run.metrics import METRICS, read_metrics
from apr_jax.run.state import TrainState
from apr_jax.training.logs import Logs
from apr_jax.training.step import Sums, apply_to_views

STEPS = 5
FALL = 20.0
"""Points of accuracy."""


class PgdWatch:
  """Measures the accuracy under PGD once per epoch, if the configuration asks for it.

  Args:
    adversary: `config.adversary`.
    model, augmentation: of the training step.
    steps_per_epoch: of the run.
    workdir: folder of the run, which recorded what was measured before.
    done: steps done before.

  Attributes:
    stops: whether a fall ends the run.
    stopped: whether it did, now or before: the run's newest checkpoint is then the one of the epoch
      before the fall.
  """

  def __init__(
    self,
    adversary: ml_collections.ConfigDict,
    model: NormalisedNetwork,
    augmentation: Augmentation,
    steps_per_epoch: int,
    workdir: pathlib.Path,
    done: int,
  ):
    attacks = adversary.steps > 0
    self.stops = attacks and adversary.stop_on_overfitting
    self._on = self.stops or (attacks and adversary.log_pgd)
    self._steps_per_epoch, self._looked = steps_per_epoch, done
    measured = _measured(workdir) if self._on else {}
    # None where it is not known: at the start, or if nothing was measured there
    self._previous = measured.get(done // steps_per_epoch * steps_per_epoch)
    # The line of a fall is there, the checkpoint of its step is not.
    self.stopped = self.stops and falls(self._previous, measured.get(done + steps_per_epoch))
    attack = functools.partial(
      pgd,
      steps=STEPS,
      epsilon=adversary.epsilon / 255,
      step_size=adversary.epsilon / 255 / 4,
      outside=adversary.outside,
    )

    def look(state, images, labels, shard):
      # The draws of the epoch's first step, so that its images are those that were trained on.
      key = keys.of_step(state.key, state.step - steps_per_epoch)
      sums = attacked_batch(
        state, images, labels, key, shard, model=model, augmentation=augmentation, attack=attack
      )
      return state, sums

    # Compiled when it is first called: the clock of the training starts anew after each look.
    self._look = parallel.ParallelStep(look, num_inputs=2, split_inputs=True)

  def due(self, done: int) -> bool:
    """Whether an epoch has ended that was not looked at."""
    return self._on and done % self._steps_per_epoch == 0 and done > self._looked

  def look(
    self, state: TrainState, done: int, batch: tuple[jax.Array, jax.Array], logs: Logs
  ) -> TrainState:
    """Attacks the first batch of the epoch that has ended, logs the accuracy, and warns of a fall.

    Args:
      state: at the end of the epoch; donated.
      done: steps done.
      batch: images and labels, as `parallel.split` makes them.
      logs: of the run.

    Returns:
      the state, unchanged.
    """
    state, sums = self._look(state, *batch)
    sums = jax.device_get(sums)
    accuracy = 100 * float(sums["correct"]) / float(sums["examples"])
    epoch = done / self._steps_per_epoch
    logs.pgd(done, epoch, accuracy)
    if falls(self._previous, accuracy):
      self.stopped = self.stops
      remedy = (
        f"the run stops, with the state of epoch {epoch - 1:.0f}"
        if self.stops
        else "adversary.stop_on_overfitting=True would stop here"
      )
      logs.say(
        f"warning: catastrophic overfitting in epoch {epoch:.0f}: the accuracy under PGD fell from "
        f"{self._previous:.1f} to {accuracy:.1f} %; {remedy}"
      )
    self._looked, self._previous = done, accuracy
    return state


def falls(before: float | None, now: float | None) -> bool:
  """Whether the accuracy of an epoch, in percent, is too far below that of the epoch before; not if
  one of them is unknown.
  """
  return before is not None and now is not None and before - now > FALL


def attacked_batch(
  state: TrainState,
  images: jax.Array,
  labels: jax.Array,
  key: jax.Array,
  shard: jax.Array,
  *,
  model: NormalisedNetwork,
  augmentation: Augmentation,
  attack: functools.partial,
) -> Sums:
  """How many views of a batch the network tells under an attack; arguments as of `train_step`.

  Args:
    attack: `pgd` with its numbers.

  Returns:
    sums over all views of the global batch, float32 `[]`: "correct" and "examples".
  """
  positions = shard * len(images) + jnp.arange(len(images))
  views, targets = augmentation(keys.stream(key, "augment"), images, labels, positions, shard)
  dropout_key = jax.random.fold_in(keys.stream(key, "pgd_dropout"), shard)

  def outputs_of(views):
    return apply_to_views(
      model,
      state.variables,
      views,
      augmentation.batch_norm_groups,
      dropout_key,
      keys.stream(key, STREAM),
      augmentation.auxiliary_views,
    )[0]

  attacked = attack(
    keys.stream(key, "pgd_accuracy"),
    views,
    lambda views: augmentation.loss(outputs_of(views), targets, AXIS),
    positions=positions,
  )
  right = outputs_of(attacked).logits.argmax(-1) == labels
  sums = {"correct": right.sum(), "examples": right.size}
  return jax.lax.psum(jax.tree.map(jnp.float32, sums), AXIS)


def _measured(workdir: pathlib.Path) -> dict[int, float]:
  """{step: accuracy under PGD in percent}, as `metrics.jsonl` recorded it."""
  return {
    line["step"]: line["pgd_accuracy"]
    for line in read_metrics(workdir / METRICS)
    if line["kind"] == "pgd" and isinstance(line.get("pgd_accuracy"), (int, float))
  }

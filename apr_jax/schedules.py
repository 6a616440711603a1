"""Learning-rate schedules, by name; a schedule may also say how the momentum goes.

To add one: write a function `(peak, settings, steps_per_epoch, total_steps)` → schedule, and add a
row to `SCHEDULES`.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from apr_jax.errors import UserError, lookup


def step_decay(
  peak: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """Multiplies the rate by `factor` at each of `boundaries_epochs`."""
  del total_steps
  return optax.piecewise_constant_schedule(
    peak, {round(epoch * steps_per_epoch): settings.factor for epoch in settings.boundaries_epochs}
  )


def step_falls_first(settings: ml_collections.ConfigDict) -> float:
  """The first boundary; 0 if there is none, for then no fall was asked for."""
  return min(settings.boundaries_epochs, default=0)


def cosine(
  peak: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """Half a cosine from the peak, after the warm-up, to `end_rate` at the step after the last."""
  warmup = round(settings.warmup_epochs * steps_per_epoch)
  decay = optax.cosine_decay_schedule(
    peak, max(total_steps - warmup, 1), settings.end_rate / peak if settings.end_rate else 0.0
  )
  # Before its start the cosine would fall again, and slow the warm-up.
  return lambda step: decay(jnp.maximum(step - warmup, 0))


def constant(
  peak: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """The peak throughout."""
  del settings, steps_per_epoch, total_steps
  return optax.constant_schedule(peak)


def triangular(
  peak: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """Linear from zero at the first step to the peak at half time, and linear back to zero.

  The zero at the end is that of the step after the last. FGSM training uses it: PyTorch's
  `CyclicLR` with one cycle (Wong et al., https://arxiv.org/abs/2001.03994, released code).
  """
  del settings, steps_per_epoch
  return lambda step: peak * _triangle(step, total_steps)


def triangular_momentum(
  momentum: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """Linear from `momentum` to `peak_momentum` at half time and back; `CyclicLR` does so unasked."""
  del steps_per_epoch
  dip = momentum - settings.peak_momentum
  return lambda step: momentum - dip * _triangle(step, total_steps)


def one_cycle(
  peak: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """Half a cosine from a 25th of the peak up to it in the share `rise` of the steps, and half a
  cosine down to the peak's 250,000th at the last step.

  PyTorch's `OneCycleLR` with its defaults (Smith and Topin, https://arxiv.org/abs/1708.07120).
  """
  del steps_per_epoch
  start = peak / _ONE_CYCLE_START
  return lambda step: _one_cycle(
    step, settings.rise, total_steps, start, peak, start / _ONE_CYCLE_END
  )


def one_cycle_momentum(
  momentum: float, settings: ml_collections.ConfigDict, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """From `momentum` to `peak_momentum` while the rate rises, and back while it falls."""
  del steps_per_epoch
  return lambda step: _one_cycle(
    step, settings.rise, total_steps, momentum, settings.peak_momentum, momentum
  )


_ONE_CYCLE_START, _ONE_CYCLE_END = 25.0, 1e4


def _one_cycle(
  step: int | jax.Array, rise: float, total_steps: int, start: float, top: float, end: float
) -> jax.Array:
  """Half a cosine from `start` at step 0 to `top`, and half a cosine to `end` at the last step.

  The top is reached at step `rise`·`total_steps` − 1, as in PyTorch.
  """
  up = max(rise * total_steps - 1, 1.0)
  down = max(total_steps - 1 - up, 1.0)
  place = jnp.asarray(step, jnp.float32)

  def between(first: float, last: float, share: jax.Array) -> jax.Array:
    return last + (first - last) * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0, 1))) / 2

  return jnp.where(
    place <= up, between(start, top, place / up), between(top, end, (place - up) / down)
  )


def _triangle(step: int | jax.Array, total_steps: int) -> jax.Array:
  """0 at step 0, 1 at half time, 0 at `total_steps`."""
  return 1 - jnp.abs(2 * jnp.asarray(step, jnp.float32) / total_steps - 1)


@dataclasses.dataclass(frozen=True)
class Row:
  """A schedule.

  Attributes:
    make: `(peak, settings, steps_per_epoch, total_steps)` → the learning rate as a function of the
      step.
    depends_on_length: whether it changes with the number of epochs, so that a run cannot be
      continued with another one.
    momentum: `(momentum, settings, steps_per_epoch, total_steps)` → the momentum as a function of
      the step, where `momentum` is that of `config.optimizer`; None: that throughout.
    falls_first: `(settings)` → the epoch before which the rate does not fall, so that a training of
      as many or fewer is warned of; None: there is nothing to warn of.
  """

  make: Callable[..., optax.Schedule]
  depends_on_length: bool = False
  momentum: Callable[..., optax.Schedule] | None = None
  falls_first: Callable[[ml_collections.ConfigDict], float] | None = None


SCHEDULES = {
  "step": Row(step_decay, falls_first=step_falls_first),
  "cosine": Row(cosine, depends_on_length=True),
  "constant": Row(constant),
  "triangular": Row(triangular, depends_on_length=True, momentum=triangular_momentum),
  "one_cycle": Row(one_cycle, depends_on_length=True, momentum=one_cycle_momentum),
}


def make_schedule(
  settings: ml_collections.ConfigDict, learning_rate: float, steps_per_epoch: int, total_steps: int
) -> optax.Schedule:
  """The learning rate as a function of the step.

  Args:
    settings: `config.schedule`. During its `warmup_epochs` the rate rises linearly from the share
      `warmup_start` of the schedule's to all of it.
    learning_rate: the peak.
    steps_per_epoch, total_steps: of the run.

  Raises:
    UserError: unknown name, or a negative warm-up.
  """
  if settings.warmup_epochs < 0:
    raise UserError(f"schedule.warmup_epochs must not be negative, got {settings.warmup_epochs}")
  schedule = lookup(SCHEDULES, settings.name, "schedule.name").make(
    learning_rate, settings, steps_per_epoch, total_steps
  )
  warmup = round(settings.warmup_epochs * steps_per_epoch)
  if not warmup:
    return schedule
  ramp = optax.linear_schedule(settings.warmup_start, 1.0, warmup)
  return lambda step: ramp(step) * schedule(step)


def what_never_falls(settings: ml_collections.ConfigDict, epochs: int) -> str:
  """A sentence for a training that ends before its rate falls for the first time; else "".

  Args:
    settings: `config.schedule`.
    epochs: of the training.

  Raises:
    UserError: unknown name.
  """
  falls_first = lookup(SCHEDULES, settings.name, "schedule.name").falls_first
  first = falls_first(settings) if falls_first else 0
  if first < epochs:
    return ""
  return (
    f"the learning rate never falls: schedule.name={settings.name} lets it fall after epoch "
    f"{first:g}, the training has {epochs} epoch(s); schedule.name=cosine falls at any length"
  )


def make_momentum(
  settings: ml_collections.ConfigDict, momentum: float, steps_per_epoch: int, total_steps: int
) -> float | optax.Schedule:
  """The momentum: a number, or a function of the step where the schedule has a cycle for it.

  Args:
    settings: `config.schedule`.
    momentum: `config.optimizer.momentum`; where it is 0 there is none to cycle.
    steps_per_epoch, total_steps: of the run.

  Raises:
    UserError: unknown name.
  """
  cycle = lookup(SCHEDULES, settings.name, "schedule.name").momentum
  if cycle is None or momentum == 0:
    return momentum
  return cycle(momentum, settings, steps_per_epoch, total_steps)

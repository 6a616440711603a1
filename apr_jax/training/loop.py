"""The training loop: data, configuration, state, steps; logs, evaluations and checkpoints where
they are due.
"""

import functools
import math
import pathlib
import signal
import threading

import jax
import numpy as np

from apr_jax import experiment, optimizers, parallel, schedules
from apr_jax.attacks.pgd import make_adversary
from apr_jax.augment.samples import as_grid, training_views
from apr_jax.data import resident
from apr_jax.errors import Stopped, UserError
from apr_jax.run import checkpoint, configuration
from apr_jax.run.state import create_state
from apr_jax.training.logs import Logs
from apr_jax.training.resident_steps import ResidentSteps
from apr_jax.training.step import train_step
from apr_jax.training.stream_steps import StreamSteps


def train(config, workdir: str, quiet: bool = False) -> None:
  """Trains as the configuration says, into the workdir; continues from its newest checkpoint.

  A run that was interrupted at any moment ends, on CPU, with bitwise the same parameters as one
  that was not.

  Args:
    config: see `configs/base.py`.
    workdir: folder for config.json, checkpoints, metrics.jsonl and TensorBoard events.
    quiet: print nothing.

  Raises:
    UserError: something the user gave cannot be used.
    Stopped: SIGTERM or SIGINT arrived.
  """
  if "://" in str(workdir):
    raise UserError(
      f"the workdir {workdir} is an address; give a folder, such as one in which the bucket is mounted"
    )
  workdir = pathlib.Path(workdir).absolute()

  # ---- Data and configuration ----
  parallel.check_devices()
  experiment.check(config)  # before data are read, or downloaded
  parallel.check_batch_size(config.batch_size, jax.device_count())
  train_data = experiment.load_train(config.data)
  parallel.check_agreed(
    train_data.checksum, "the training images (checksums)", "give all of them the same data"
  )
  config = experiment.resolve(config, train_data)
  parts = experiment.build(config)

  # ---- Optimizer and step ----
  steps_per_epoch = resident.steps_per_epoch(train_data.num_examples, config.batch_size)
  total_steps = config.epochs * steps_per_epoch
  schedule = schedules.make_schedule(
    config.schedule, config.optimizer.learning_rate, steps_per_epoch, total_steps
  )
  update_rule = optimizers.make_optimizer(config.optimizer, schedule)
  create = functools.partial(create_state, config.seed, parts.model, parts.image_size, update_rule)
  step = functools.partial(
    train_step,
    model=parts.model,
    augmentation=parts.augmentation,
    optimizer=update_rule,
    adversary=make_adversary(config.adversary),
  )

  # a network that cannot take these images says so before anything is written
  jax.eval_shape(create)
  primary = jax.process_index() == 0  # of several processes, the one that writes and prints
  configuration.check_config(workdir, config)
  done = checkpoint.latest_step(workdir) or 0
  parallel.check_agreed(
    lambda: done, "the step of the newest checkpoint", "give a --workdir that they share"
  )
  if done > total_steps:
    raise UserError(
      f"{workdir} is trained for {done} steps already, more than the {total_steps} of "
      f"epochs={config.epochs}; use another --workdir, or at least epochs="
      f"{math.ceil(done / steps_per_epoch)}"
    )
  if done == total_steps:
    if primary:  # an evaluation reads there where data lie, and what it is to score
      configuration.write_config(workdir, config)
    if primary and not quiet:
      print(
        f"nothing left to do: {workdir} is trained for {done} of {total_steps} steps; "
        f"a larger config.epochs continues it"
      )
    return

  # ---- Test images: minutes for ImageNet, so that what can be refused is refused before ----
  test_data = experiment.load_data(config.data, "test")
  if (test_data.num_classes, test_data.image_size) != (
    train_data.num_classes,
    train_data.image_size,
  ):
    raise UserError(
      f"data set {train_data.name!r}: its splits differ in classes or image size "
      f"({train_data.num_classes} and {test_data.num_classes} classes, {train_data.image_size} and "
      f"{test_data.image_size} pixels); correct the data or set data.image_size"
    )
  if primary:
    configuration.write_config(workdir, config)

  with checkpoint.Checkpoints(workdir, config.checkpoint.keep) as checkpoints:
    # ---- State ----
    state = checkpoints.restore(create) if done else parallel.call_replicated(create)
    if config.data.stream:
      steps = StreamSteps(step, train_data, config.batch_size, state.key, total_steps)
    else:
      steps = ResidentSteps(step, train_data, config.batch_size, state.key)
    predictor = parts.predictor(config.evaluation.batch_size)

    def clean_error(state) -> float:
      variables = predictor.place(parallel.to_host(state.variables))
      return 100 * float(
        np.mean(predictor.logits(variables, test_data.images).argmax(-1) != test_data.labels)
      )

    with (
      steps,
      Logs(workdir, done, total_steps, config.batch_size, quiet=quiet, primary=primary) as logs,
      _Signals() as signals,
    ):
      parameters = sum(x.size for x in jax.tree.leaves(state.params))
      logs.say(
        f"{config.model.name}, {parameters:,} parameters, on {jax.device_count()} {jax.default_backend()} "
        f"device(s) with {config.batch_size // jax.device_count()} images of a step each; "
        f"{train_data.num_examples} images, {steps_per_epoch} steps per epoch; "
        f"{'continues at step ' + str(done) if done else 'starts'} into {workdir}"
      )

      if primary and not done:
        logs.image(
          0, "augmentation", as_grid(training_views(config, test_data.images, test_data.labels))
        )

      # ---- Loop ----
      checkpoint_every = config.checkpoint.every_steps or steps_per_epoch
      eval_every = config.eval_every_epochs * steps_per_epoch
      window, failure = [], None
      while done < total_steps:
        target = min(
          total_steps,
          *(
            _next_multiple(done, every)
            for every in (config.log_every_steps, checkpoint_every, steps_per_epoch)
          ),
        )
        while done < target and not signals.received:
          before, compiles = done, steps.compiles(done, target)
          if compiles:  # the time of that says nothing of the steps to come
            jax.block_until_ready(window)
            logs.stop_clock()
          try:
            state, done, sums = steps.run(state, done, target)
          except (
            UserError
          ) as error:  # an image cannot be read; nothing was dispatched, so the state is good
            # other processes would not save after the same step
            if not done or jax.process_count() > 1:
              raise
            failure = error
            break
          logs.add_input_wait(steps.input_wait)
          window.append(sums)
          if compiles:
            jax.block_until_ready(sums)
            logs.go_on(done - before)
        epoch = done / steps_per_epoch

        # Asked once: a signal that arrives from here on stops the next round, which saves before it
        # stops.
        stopping = bool(signals.received or failure)
        last = done == total_steps or stopping
        if window and (last or done % config.log_every_steps == 0):
          _check_finite(window, done)
          logs.train(done, epoch, _means(window) | {"learning_rate": float(schedule(done - 1))})
          window = []
        # Before the checkpoint: a run killed in between repeats its last evaluation, and does not
        # lose it.
        if done == total_steps or (eval_every and done % eval_every == 0 and not stopping):
          logs.evaluation(done, epoch, {"clean_error": clean_error(state)})
          logs.restart_clock(done)
        if last or done % checkpoint_every == 0:
          _check_finite(window, done)  # a diverged state must not push out the good ones
          if checkpoints.latest_step() != done:
            checkpoints.save(done, state)
          logs.restart_clock(done)
        if stopping:
          break
  if failure:
    raise failure
  if done < total_steps:
    raise Stopped(
      signals.received, f" after step {done}; its state is saved: the same command continues it"
    )


def _next_multiple(step: int, every: int) -> int:
  return (step // every + 1) * every


def _means(window: list) -> dict[str, float]:
  """Means over a window of per-dispatch sums; waits for the devices."""
  totals = {name: float(sum(sums[name] for sums in jax.device_get(window))) for name in window[0]}
  return {
    "loss": totals["loss"] / totals["examples"],
    "accuracy": 100 * totals["correct"] / totals["examples"],
  }


def _check_finite(window: list, step: int) -> None:
  """Refuses to go on from a loss that is not finite.

  Raises:
    UserError: with the loss and what to do.
  """
  loss = float(sum(sums["loss"] for sums in jax.device_get(window)))
  if not math.isfinite(loss):
    raise UserError(
      f"the training diverged: the loss is {loss} in the steps up to {step}; lower "
      f"optimizer.learning_rate, or add schedule.warmup_epochs, in another --workdir"
    )


class _Signals:
  """Remembers SIGTERM and SIGINT instead of dying, so that the step in flight is finished and
  saved.

  A second signal of the same kind has its usual effect. It stands aside outside the main thread,
  where Python allows no handlers, and with several processes, which would not stop after the same
  step; those go on from a checkpoint.
  """

  def __init__(self):
    self.received = 0
    self._handlers = {}

  def __enter__(self) -> "_Signals":
    if threading.current_thread() is threading.main_thread() and jax.process_count() == 1:
      self._handlers = {
        number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)
      }
    return self

  def __exit__(self, *_) -> None:
    for number, handler in self._handlers.items():
      signal.signal(number, handler)

  def _remember(self, number: int, frame) -> None:
    del frame
    self.received = number
    signal.signal(number, self._handlers.pop(number))

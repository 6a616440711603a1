"""The training loop: data, configuration, step, state; then steps, with logs, evaluations and
checkpoints where they are due.
"""

import contextlib
import functools
import math
import pathlib

import jax
import ml_collections
import numpy as np
import optax

from apr_jax import device_group, experiment, files, optimizers, parallel, schedules
from apr_jax.attacks.pgd import make_adversary
from apr_jax.augment.methods import METHODS
from apr_jax.augment.samples import as_grid, training_views
from apr_jax.classifiers.predictor import Predictor
from apr_jax.data import ArrayData, ImageStream, resident
from apr_jax.errors import Stopped, UserError
from apr_jax.models.contrastive import HEADS
from apr_jax.run import checkpoint, configuration
from apr_jax.run.claim import Claim
from apr_jax.run.state import TrainState, create_state
from apr_jax.settings import read
from apr_jax.training import overfitting, starting_weights
from apr_jax.training.clock import Clock
from apr_jax.training.logs import Logs
from apr_jax.training.resident_steps import ResidentSteps
from apr_jax.training.signals import Signals
from apr_jax.training.step import train_step
from apr_jax.training.steps import Steps
from apr_jax.training.stream_steps import StreamSteps
from apr_jax.training.window import Window


def train(
  config: ml_collections.ConfigDict, workdir: str | pathlib.Path, quiet: bool = False
) -> None:
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
  workdir = files.absolute(workdir)
  primary = jax.process_index() == 0  # of several processes, the one that writes and prints
  with Claim(workdir, "training", print if primary and not quiet else _silent) as claim:
    _train(config, workdir, claim, primary=primary, quiet=quiet)


def _silent(line: str) -> None:
  del line


def _train(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  claim: Claim,
  *,
  primary: bool,
  quiet: bool,
) -> None:
  # ---- Data and configuration ----
  parallel.check_devices()
  experiment.check(config)  # before data are read, or downloaded
  parallel.check_batch_size(config.batch_size, jax.device_count())
  device_group.check_size(config.device_group, jax.device_count())
  train_data = experiment.load_train(config.data)
  parallel.check_agreed(
    train_data.checksum, "the training images (checksums)", "give all of them the same data"
  )
  config = experiment.resolve(config, train_data)
  steps_per_epoch = resident.steps_per_epoch(train_data.num_examples, config.batch_size)
  total_steps = config.epochs * steps_per_epoch

  # ---- Step ----
  parts = experiment.build(config)
  schedule = schedules.make_schedule(
    config.schedule, config.optimizer.learning_rate, steps_per_epoch, total_steps
  )
  momentum = schedules.make_momentum(
    config.schedule, config.optimizer.momentum, steps_per_epoch, total_steps
  )
  only = HEADS if config.model.frozen else ()
  update_rule = optimizers.make_optimizer(config.optimizer, schedule, momentum, only)
  create = functools.partial(
    create_state,
    config.seed,
    parts.model,
    parts.image_size,
    update_rule,
    average=config.optimizer.average_decay > 0,
  )
  step = functools.partial(
    train_step,
    model=parts.model,
    augmentation=parts.augmentation,
    optimizer=update_rule,
    adversary=make_adversary(config.adversary),
    average_decay=config.optimizer.average_decay,
    skip_nonfinite=config.optimizer.skip_nonfinite,
  )
  # a network that cannot take these images says so before anything is written
  jax.eval_shape(create)

  # ---- Workdir ----
  configuration.check_config(workdir, config)
  if primary and workdir.exists():
    claim.take()
  done = _steps_done(workdir, config, steps_per_epoch, total_steps, primary)
  watch = overfitting.PgdWatch(
    config.adversary, parts.model, parts.augmentation, steps_per_epoch, workdir, done
  )
  if done == total_steps or watch.stopped:
    if primary:  # an evaluation reads there where data lie, and what it is to score
      configuration.write_config(workdir, config)
    if primary and not quiet:
      why = "its next epoch overfits" if watch.stopped else "a larger config.epochs continues it"
      print(f"nothing left to do: {workdir} is trained for {done} of {total_steps} steps; {why}")
    return
  # read now, for they take minutes for ImageNet, and what can be refused is refused before
  test_data = experiment.load_data(config.data, "test")
  _check_same_kind(train_data, test_data)
  start = None
  if config.model.weights and not done:
    start = starting_weights.read(config.model.weights, experiment.network_spec(config))
  if primary:
    with contextlib.suppress(OSError):  # which writing into it says
      files.make_folder(workdir)
    claim.take()  # before another run of the same moment can write its configuration here
    configuration.adopt_config(workdir, config)

  keep_epoch = steps_per_epoch if watch.stops else None
  with checkpoint.Checkpoints(
    workdir, config.checkpoint.keep, keep_epoch, alone=True
  ) as checkpoints:
    # ---- State ----
    state = checkpoints.restore(create, done) if done else parallel.call_replicated(create)
    if start is not None:
      state = starting_weights.start_from(state, start)
    log_every = config.log_every_steps
    save_every = config.checkpoint.every_steps or steps_per_epoch
    eval_every = config.eval_every_epochs * steps_per_epoch
    stops = (log_every, save_every, steps_per_epoch)  # the loop stops at multiples of these
    steps: Steps
    if isinstance(train_data, ImageStream):
      steps = StreamSteps(step, train_data, config.batch_size, state.key, total_steps)
    else:
      steps = ResidentSteps(step, train_data, config.batch_size, state.key, longest=min(stops))
    predictor = Predictor(parts.model.apply, config.evaluation.batch_size)

    with (
      steps,
      Logs(workdir, done, total_steps, config.batch_size, quiet=quiet, primary=primary) as logs,
      Signals() as signals,
    ):
      logs.say(
        f"trains {config.name or 'a network'}: {config.model.name}, {_size(state):,} parameters, "
        f"{_methods(config)}"
      )
      logs.say(
        f"on {train_data.num_examples} images of {config.data.name}, {config.batch_size} a step: "
        f"{config.batch_size // jax.device_count()} on each of {jax.device_count()} "
        f"{jax.default_backend()} device(s){_grouped(config.device_group)}"
      )
      logs.say(
        f"for {config.epochs} epoch(s) of {steps_per_epoch} steps, {total_steps} in all; "
        f"{_beginning(config, done)} into {workdir}"
      )
      if remark := schedules.what_never_falls(config.schedule, config.epochs):
        logs.say(f"warning: {remark}")
      if primary and not done:
        samples = training_views(config, test_data.images, test_data.labels)
        logs.image(0, "augmentation", as_grid(samples))

      # ---- Loop ----
      steps.compile(state)
      clock, window = Clock(config.batch_size, done), Window(config.optimizer.skip_nonfinite)
      failure, stopping = None, False
      while done < total_steps and not stopping:
        target = min(total_steps, *(_next_multiple(done, every) for every in stops))
        while done < target and not signals.received and not failure:
          before = done
          try:
            state, done, sums = steps.run(state, done, target)
          except UserError as error:  # an image cannot be read; the state is good
            # of several processes, the others would not save after the same step
            if not done or jax.process_count() > 1:
              raise
            failure = error
          else:
            window.add(sums, done)
            clock.add_input_wait(steps.input_wait)
            signals.after_dispatch(before, done)

        # Asked once: a signal that arrives from here on stops the next round, which saves before it
        # stops.
        stopping = bool(signals.received or failure)
        last = done == total_steps or stopping
        epoch = done / steps_per_epoch
        rate = functools.partial(_rate, schedule, done)
        check_finite = functools.partial(window.check_finite, rate, checkpoints.latest_step)

        if window and (last or done % log_every == 0):
          check_finite()
          speed = clock.read(done)
          logs.train(done, epoch, window.take_means() | {"learning_rate": rate()} | speed)

        if watch.due(done):
          check_finite()  # a diverged network has no accuracy either
          state = watch.look(state, done, steps.first_batch(done // steps_per_epoch - 1), logs)
          if watch.stopped:
            checkpoints.drop_after(done - steps_per_epoch)
            break
          clock.start(done)

        # Before the checkpoint: a run killed in between repeats its last evaluation, and does not
        # lose it.
        if done == total_steps or (eval_every and done % eval_every == 0 and not stopping):
          logs.evaluation(done, epoch, _clean_errors(predictor, state, test_data))
          clock.start(done)

        if last or done % save_every == 0 or (watch.stops and done % steps_per_epoch == 0):
          check_finite()  # a diverged state must not push out the good ones
          claim.check()
          if done != checkpoints.latest_step():
            checkpoints.save(done, state)
          clock.start(done)
  if failure:
    raise failure
  if done < total_steps and not watch.stopped:
    raise Stopped(
      signals.received, f" after step {done}; its state is saved: the same command continues it"
    )


def _steps_done(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  steps_per_epoch: int,
  total_steps: int,
  primary: bool,
) -> int:
  """The step of the newest checkpoint that is not damaged; 0 without any. The damaged ones are set
  aside.

  Raises:
    UserError: it lies beyond the end of the run, the processes see different ones, or all are
      damaged.
  """
  parts: tuple[str, ...] = checkpoint.PARTS
  if config.optimizer.average_decay:
    parts += (checkpoint.AVERAGE,)
  done = checkpoint.sound_step(workdir, parts, quiet=not primary) or 0
  if primary and done:
    checkpoint.set_aside_after(workdir, done)
  parallel.check_agreed(
    lambda: done, "the step of the newest checkpoint", "give a --workdir that they share"
  )
  if done > total_steps:
    raise UserError(
      f"{workdir} is trained for {done} steps already, more than the {total_steps} of "
      f"epochs={config.epochs}; use another --workdir, or at least epochs="
      f"{math.ceil(done / steps_per_epoch)}"
    )
  return done


def _check_same_kind(train: ArrayData | ImageStream, test: ArrayData) -> None:
  if (test.num_classes, test.image_size) != (train.num_classes, train.image_size):
    raise UserError(
      f"data set {train.name!r}: its splits differ in classes or image size "
      f"({train.num_classes} and {test.num_classes} classes, {train.image_size} and "
      f"{test.image_size} pixels); correct the data or set data.image_size"
    )


def _beginning(config: ml_collections.ConfigDict, done: int) -> str:
  if done:
    return f"continues at step {done}"
  weights = config.model.weights
  return f"starts from the weights of {weights}" if weights else "starts"


def _size(state: TrainState) -> int:
  return sum(x.size for x in jax.tree.leaves(state.params))


def _methods(config: ml_collections.ConfigDict) -> str:
  """The methods of augmentation that are on, and the adversary."""
  on = [name for name, method in METHODS.items() if read(method, config.augment[name]).on]
  on += ["an adversary"] if config.adversary.steps else []
  return f"with {', '.join(on)}" if on else "without a method of augmentation"


def _grouped(size: int) -> str:
  """Which devices act as one, where several do."""
  count = jax.device_count()
  return f", {size or count} of which act as one" if count > 1 and size != 1 else ""


def _clean_errors(predictor: Predictor, state: TrainState, test: ArrayData) -> dict[str, float]:
  """Of the weights and, where there is one, of their moving average; in percent."""
  scored = {"clean_error": state.variables}
  if state.average is not None:
    scored["average_clean_error"] = state.average
  errors = {}
  for name, of in scored.items():
    variables = predictor.place(parallel.to_host(of))
    predicted = predictor.logits(variables, test.images).argmax(-1)
    errors[name] = 100 * float(np.mean(predicted != test.labels))
  return errors


def _rate(schedule: optax.Schedule, done: int) -> float:
  """The learning rate of the last of `done` steps."""
  return float(schedule(done - 1))


def _next_multiple(step: int, every: int) -> int:
  return (step // every + 1) * every

"""Checkpoints of a run, in `WORKDIR/checkpoints`, written by Orbax in the background.

A checkpoint has two parts: "model" (params, batch_stats), which is all that evaluation needs, and
"training" (step, key_data, opt_state), which a run needs to continue; and a third, "average", where
the run keeps a moving average of what is in "model". Orbax writes under a temporary name and
renames when all is on disk, so a killed run leaves whole checkpoints only. Those that a disk has
damaged since are known by their sums, see `run.sums`.
"""

import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp

from apr_jax import files, parallel
from apr_jax.errors import UserError, disk_trouble, one_line
from apr_jax.run import configuration, sums
from apr_jax.run.state import TrainState

FOLDER = "checkpoints"
MODEL, AVERAGE = "model", "average"
DAMAGED = "checkpoints_damaged"
"""Where a run that goes on from an earlier checkpoint puts the damaged ones."""
PARTS = (MODEL, "training")
COMMITTED = "commit_success.txt"  # what Orbax writes last, in an object store


class Checkpoints:
  """The checkpoints of one workdir; a context manager that waits for pending writes at its end.

  Args:
    workdir: folder of the run.
    keep: how many of the newest to keep.
    keep_multiple_of: keep also the newest whose step is a multiple of this; None: no other.
    alone: nobody else is at work in the folder, so what is unfinished there has been left by a dead
      process, and is deleted.
  """

  def __init__(
    self,
    workdir: str | pathlib.Path,
    keep: int = 1,
    keep_multiple_of: int | None = None,
    *,
    alone: bool = False,
  ):
    # Orbax wants an absolute path, and fails in a background thread if it does not get one.
    self._folder = files.absolute(workdir) / FOLDER
    policies = ocp.checkpoint_managers
    kept = [policies.LatestN(keep)]
    if keep_multiple_of is not None:
      kept.append(policies.EveryNSteps(keep_multiple_of, max_to_keep=1))
    options = ocp.CheckpointManagerOptions(
      preservation_policy=policies.AnyPreservationPolicy(kept),
      create=False,
      cleanup_tmp_directories=alone,
      enable_async_checkpointing=True,
      async_options=ocp.options.AsyncOptions(post_finalization_callback=self._write_sums),
    )
    self._saving: int | None = None
    with self._disk_troubles():
      files.make_folder(self._folder)
      self._manager = ocp.CheckpointManager(self._folder, options=options)

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
    try:
      with self._disk_troubles():
        self._manager.close()
    except UserError:
      if kind is None or not issubclass(kind, UserError):  # else it has been said
        raise

  def latest_step(self) -> int | None:
    """The step of the newest whole checkpoint, or None."""
    return self._manager.latest_step()

  def drop_after(self, step: int) -> None:
    """Deletes the checkpoints of later steps."""
    self._manager.wait_until_finished()
    for later in self._manager.all_steps():
      if later > step:
        self._manager.delete(later)

  def save(self, step: int, state: TrainState) -> None:
    """Writes the state in the background; returns when it is safe to donate it."""
    self._save(step, _items(state))

  def save_variables(self, step: int, variables: dict[str, Any]) -> None:
    """Writes a checkpoint that has the part "model" alone, of replicated params and batch_stats, in
    the background.

    It can be evaluated; a run cannot continue from it.
    """
    self._save(step, {MODEL: variables})

  def _save(self, step: int, items: dict[str, Any]) -> None:
    arguments = {name: ocp.args.StandardSave(tree) for name, tree in items.items()}
    with self._disk_troubles():
      self._manager.wait_until_finished()
      self._saving = step
      self._manager.save(step, args=ocp.args.Composite(**arguments))

  def _write_sums(self) -> None:
    """Called in the background, when all of a checkpoint is there and before it counts."""
    if jax.process_index():
      return
    # On disk it still has another name, "12.orbax-checkpoint-tmp".
    for entry in files.entries(self._folder):
      if entry.is_dir and entry.name.partition(".")[0] == str(self._saving):
        sums.write(self._folder / entry.name, configuration.of_network(self._folder.parent))

  @contextlib.contextmanager
  def _disk_troubles(self) -> Iterator[None]:
    """Inside, what a full or failing disk does becomes one line."""
    try:
      yield
    except Exception as error:
      trouble = disk_trouble(error, self._folder)
      if trouble is None:
        raise
      raise UserError(trouble) from error

  def restore(self, create: Callable[[], TrainState], step: int | None = None) -> TrainState:
    """A checkpoint, replicated on all devices.

    Args:
      create: makes a state of the same structure; it is traced, not run.
      step: of the checkpoint; None: the newest.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    items = self._restore(jax.eval_shape(lambda: _items(create())), step)
    return TrainState(**items[MODEL], **items["training"], average=items.get(AVERAGE))

  def restore_variables(
    self, create: Callable[[], dict[str, Any]], step: int | None = None, part: str = MODEL
  ) -> dict[str, Any]:
    """A checkpoint's params and batch_stats, replicated on all devices.

    Args:
      create: makes variables of the same structure; it is traced, not run.
      step: of the checkpoint; None: the newest.
      part: MODEL, or AVERAGE for their moving average.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    return self._restore({part: jax.eval_shape(create)}, step)[part]

  def describe_variables(self, step: int | None = None) -> dict[str, Any]:
    """Shapes and dtypes of a checkpoint's params and batch_stats, as a tree of
    `jax.ShapeDtypeStruct`; reads none of the values.

    Args:
      step: of the checkpoint; None: the newest.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    folder = self._folder / str(self.latest_step() if step is None else step)
    try:
      with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
        stored = handler.metadata(folder / MODEL).tree
    except (ValueError, KeyError, OSError) as error:
      raise _unreadable(folder, error) from error
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), dict(stored))

  def _restore(self, abstract: dict[str, Any], step: int | None) -> dict[str, Any]:
    step = self.latest_step() if step is None else step
    items = {
      name: ocp.args.StandardRestore(tree)
      for name, tree in parallel.as_replicated(abstract).items()
    }
    try:
      return dict(self._manager.restore(step, args=ocp.args.Composite(**items)))
    except (ValueError, KeyError, OSError) as error:
      raise _unreadable(self._folder / str(step), error) from error


def exists(workdir: str | pathlib.Path) -> bool:
  """Whether the workdir holds a whole checkpoint."""
  return latest_step(workdir) is not None


def latest_step(workdir: str | pathlib.Path) -> int | None:
  """The step of the newest whole checkpoint of a workdir, or None; reads names alone and writes
  nothing.
  """
  return max(_steps(files.path(workdir) / FOLDER), default=None)


def sound_step(
  workdir: str | pathlib.Path, parts: Sequence[str] = PARTS, *, quiet: bool = False
) -> int | None:
  """The step of the newest checkpoint that is as it was written, or None where there is none at
  all; reads all of it and writes nothing.

  Each damaged one is named on stderr, in a line.

  Args:
    workdir: of the run.
    parts: of the checkpoint, which are to be sound.
    quiet: say nothing.

  Raises:
    UserError: there are checkpoints, and all are damaged.
  """
  folder = files.path(workdir) / FOLDER
  damaged: list[str] = []
  steps = sorted(_steps(folder), reverse=True)
  have_sums = [step for step in steps if sums.are_there(folder / str(step))]
  for step in steps:
    damage = sums.damage(folder / str(step), parts)
    if not damage and step > min(have_sums, default=step) and step not in have_sums:
      damage = f"{sums.SUMS} is missing"
    if not damage:
      if damaged and not quiet:
        print(f"{'; '.join(damaged)}; uses that of step {step}", file=sys.stderr)
      return step
    damaged.append(f"the checkpoint {folder / str(step)} is damaged ({damage})")
  if damaged:
    raise UserError(
      f"{'; '.join(damaged)}; no other is left, and nothing was deleted: bring back a copy, or "
      f"train into another --workdir"
    )
  return None


def check_network(workdir: str | pathlib.Path, step: int) -> None:
  """Refuses a configuration that is not that of the network of a checkpoint.

  Raises:
    UserError: as `configuration.check_network`.
  """
  folder = files.path(workdir) / FOLDER / str(step)
  configuration.check_network(workdir, sums.config_of(folder))


def set_aside_after(workdir: str | pathlib.Path, step: int) -> None:
  """Moves the checkpoints of later steps, which are damaged, to `DAMAGED`, for the run writes those
  steps again.

  Raises:
    UserError: they cannot be moved.
  """
  workdir = files.path(workdir)
  for later in _steps(workdir / FOLDER):
    if later > step:
      number = 0
      while (target := workdir / DAMAGED / f"{later}-{number}").exists():
        number += 1
      try:
        files.move_folder(workdir / FOLDER / str(later), target)
      except OSError as error:
        raise UserError(
          f"the damaged checkpoint {workdir / FOLDER / str(later)} cannot be moved to {target}: "
          f"{one_line(error)}; move it yourself"
        ) from error


def _steps(folder: pathlib.Path) -> list[int]:
  """The steps of the whole checkpoints."""
  if not folder.is_dir():
    return []
  steps = [int(entry.name) for entry in files.entries(folder) if entry.name.isdigit()]
  if files.is_address(folder):  # nothing is renamed there: a file in it says that one is whole
    steps = [step for step in steps if files.is_file(folder / str(step) / COMMITTED)]
  return steps


def _unreadable(folder: pathlib.Path, error: Exception) -> UserError:
  return UserError(
    f"the checkpoint {folder} cannot be read: {one_line(error)}; "
    f"delete that folder to use the one before it, if any"
  )


def _items(state: TrainState) -> dict[str, Any]:
  average = {} if state.average is None else {AVERAGE: state.average}
  return {
    MODEL: state.variables,
    "training": {"step": state.step, "key_data": state.key_data, "opt_state": state.opt_state},
    **average,
  }

"""Checkpoints of a run, in `WORKDIR/checkpoints`, written by Orbax in the background.

A checkpoint has two parts: "model" (params, batch_stats), which is all that evaluation needs, and
"training" (step, key_data, opt_state), which a run needs to continue; and a third, "average", where
the run keeps a moving average of what is in "model". Orbax writes under a
temporary name and renames when all is on disk, so a killed run leaves whole checkpoints only.
"""

import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import orbax.checkpoint as ocp

from apr_jax import files, parallel
from apr_jax.errors import UserError, one_line
from apr_jax.run.state import TrainState

FOLDER = "checkpoints"
MODEL, AVERAGE = "model", "average"
COMMITTED = "commit_success.txt"  # what Orbax writes last, in an object store


class Checkpoints:
  """The checkpoints of one workdir; a context manager that waits for pending writes at its end.

  Args:
    workdir: folder of the run.
    keep: how many of the newest to keep.
    keep_multiple_of: keep also the newest whose step is a multiple of this; None: no other.
  """

  def __init__(
    self, workdir: str | pathlib.Path, keep: int = 1, keep_multiple_of: int | None = None
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
      enable_async_checkpointing=True,
    )
    files.make_folder(self._folder)
    self._manager = ocp.CheckpointManager(self._folder, options=options)

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *_) -> None:
    self._manager.close()

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
    items = {name: ocp.args.StandardSave(tree) for name, tree in _items(state).items()}
    self._manager.save(step, args=ocp.args.Composite(**items))

  def save_variables(self, step: int, variables: dict[str, Any]) -> None:
    """Writes a checkpoint that has the part "model" alone, of replicated params and batch_stats, in
    the background.

    It can be evaluated; a run cannot continue from it.
    """
    self._manager.save(step, args=ocp.args.Composite(**{MODEL: ocp.args.StandardSave(variables)}))

  def restore(self, create: Callable[[], TrainState]) -> TrainState:
    """The newest checkpoint, replicated on all devices.

    Args:
      create: makes a state of the same structure; it is traced, not run.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    items = self._restore(jax.eval_shape(lambda: _items(create())))
    return TrainState(**items["model"], **items["training"], average=items.get(AVERAGE))

  def restore_variables(
    self, create: Callable[[], dict[str, Any]], part: str = MODEL
  ) -> dict[str, Any]:
    """The newest checkpoint's params and batch_stats, replicated on all devices.

    Args:
      create: makes variables of the same structure; it is traced, not run.
      part: MODEL, or AVERAGE for their moving average.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    return self._restore({part: jax.eval_shape(create)})[part]

  def describe_variables(self) -> dict[str, Any]:
    """Shapes and dtypes of the newest checkpoint's params and batch_stats, as a tree of
    `jax.ShapeDtypeStruct`; reads none of the values.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    folder = self._folder / str(self.latest_step())
    try:
      with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
        stored = handler.metadata(folder / MODEL).tree
    except (ValueError, KeyError, OSError) as error:
      raise _unreadable(folder, error) from error
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), dict(stored))

  def _restore(self, abstract: dict[str, Any]) -> dict[str, Any]:
    step = self.latest_step()
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
  folder = files.path(workdir) / FOLDER
  if not folder.is_dir():
    return None
  steps = [int(entry.name) for entry in files.entries(folder) if entry.name.isdigit()]
  if files.is_address(folder):  # nothing is renamed there: a file in it says that one is whole
    steps = [step for step in steps if files.is_file(folder / str(step) / COMMITTED)]
  return max(steps, default=None)


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

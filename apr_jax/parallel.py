"""One program on many devices: the only file that says pmap.

The state is replicated and never stacked: it enters and leaves the mapped functions with its plain
shapes, so checkpoints and tests see ordinary trees. It must be on all devices of all processes
before the first call, where `call_replicated` and the checkpoints put it: with several processes a
donated state that is not loses its buffers. `AXIS` names the mapped axis inside the functions.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from apr_jax.errors import UserError, one_line

AXIS = "devices"
_ROWS = PartitionSpec(AXIS)

Tree = TypeVar("Tree")


def initialise_processes(coordinator: str, num_processes: int, process_id: int) -> None:
  """Joins the other processes of a run on several hosts. Call it before anything asks for a device.

  Args:
    coordinator: "auto" where the cluster tells all (Cloud TPU pods, Slurm), else "host:port" of
      process 0.
    num_processes, process_id: of the run, and of this process in 0..num_processes-1; unused with
      "auto".

  Raises:
    UserError: one of them does not fit.
  """
  if coordinator == "auto":
    try:
      jax.distributed.initialize()
    except ValueError as error:  # JAX knows no cluster here
      raise UserError(
        f"--coordinator=auto finds no cluster ({one_line(error)}): give --coordinator=host:port, "
        f"--num_processes and --process_id, or leave them out for one process"
      ) from error
    return
  if not re.fullmatch(r".+:\d+", coordinator) or not 0 <= process_id < num_processes:
    raise UserError(
      f"a run of several processes needs --coordinator=host:port and --process_id in "
      f"0..num_processes-1, got {coordinator!r} and {process_id} of {num_processes}"
    )
  jax.distributed.initialize(coordinator, num_processes, process_id)


def check_devices() -> None:
  """Starts JAX on its devices.

  Raises:
    UserError: those that are asked for are not there, or another process holds them.
  """
  try:
    jax.devices()
  except (
    RuntimeError,
    AssertionError,
  ) as error:  # the latter without a message, where the plug-in is not installed
    platforms = jax.config.values["jax_platforms"]
    raise UserError(
      f"JAX cannot start on {platforms or 'a device'}: {one_line(error)}; install JAX for this "
      f"hardware, end what holds it, or set JAX_PLATFORMS=cpu"
    ) from error


def check_agreed(number: Callable[[], int], what: str, remedy: str) -> None:
  """Refuses to go on when the processes of a run have different numbers, in 0..2^32-1; one process
  computes none.

  Raises:
    UserError: in every process.
  """
  if jax.process_count() > 1:
    numbers = multihost_utils.process_allgather(np.uint32(number())).tolist()
    if len(set(numbers)) > 1:
      raise UserError(f"the processes disagree on {what}: {', '.join(map(str, numbers))}; {remedy}")


def check_batch_size(batch_size: int, num_devices: int) -> None:
  """Refuses a global batch that does not split evenly.

  Raises:
    UserError: with both numbers.
  """
  if batch_size % num_devices:
    raise UserError(
      f"batch_size {batch_size} is not divisible by the number of devices, {num_devices}; "
      f"the nearest that is: {max(1, round(batch_size / num_devices)) * num_devices}"
    )


def replicate(tree: Any, devices: list[jax.Device] | None = None) -> Any:
  """Puts a copy of every NumPy array on each device (default: all devices of all processes, which
  have the same).
  """
  sharding = _replicated(devices)
  if sharding.is_fully_addressable:
    return jax.device_put(tree, sharding)
  # device_put would send the copies of all processes to all of them, to see that they are the same.
  return jax.tree.map(
    lambda x: jax.make_array_from_callback(np.shape(x), sharding, lambda index: x[index]), tree
  )


def split(batch: Tree) -> Tree:
  """Puts on each device of this process its part of the process's share of a batch.

  Args:
    batch: arrays `[b, ...]`, b a multiple of the number of local devices L.

  Returns:
    arrays `[D, b / L, ...]` over all D devices of all processes, for `ParallelStep`; the transfer
    goes on while the caller does.
  """
  return jax.tree.map(
    lambda x: _one_row_each(x.reshape(jax.local_device_count(), -1, *x.shape[1:])), batch
  )


def call_replicated(function: Callable[[], Tree]) -> Tree:
  """The result of `function`, compiled and run by every process, on each device."""
  return jax.jit(function, out_shardings=_replicated(None))()


def as_replicated(tree: Any) -> Any:
  """Shapes and dtypes of `tree` with the sharding of `replicate`, for restoring a checkpoint in
  place.
  """
  return _described(tree, _replicated(None))


def to_host(tree: Tree) -> Tree:
  """This process's copy of replicated arrays, as NumPy arrays."""
  return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), tree)


class ParallelStep:
  """A training step that runs on every device, as one compiled program.

  Called as `(state, *inputs)` → `(state, sums)`. The state passed in is donated: its buffers are
  gone after the call. Shapes and dtypes are the same in all calls.

  Args:
    step: `(state, *inputs, shard)` → `(state, sums)`, where `shard` is the index of the device. It
      must return the same values on every device: reduce over `AXIS` inside.
    num_inputs: number of `inputs`.
    split_inputs: whether `split` made the inputs, so that each device sees its part; else they are
      replicated.
  """

  def __init__(self, step: Callable[..., Any], num_inputs: int, *, split_inputs: bool = False):
    self._mapped = _mapped(step, num_inputs, split_inputs, None)
    first = jax.process_index() * jax.local_device_count()
    self._shards = _one_row_each(np.arange(first, first + jax.local_device_count(), dtype=np.int32))
    self._program: jax.stages.Compiled | None = None

  def compile(self, state: Any, *inputs: Any) -> None:
    """Compiles the program for arguments like these, and runs nothing; the first call would else do
    it.
    """
    self._program = self._compiled(state, *inputs)

  def __call__(self, state: Any, *inputs: Any) -> tuple[Any, Any]:
    if self._program is None:
      self._program = self._compiled(state, *inputs)
    return self._program(state, *inputs, self._shards)

  def _compiled(self, state: Any, *inputs: Any) -> jax.stages.Compiled:
    # A call through `pmap` would also take arrays that know the devices of this process alone; the
    # compiled program does not. `replicate` and `split` make arrays over all processes.
    return self._mapped.lower(state, *inputs, self._shards).compile()


def lower_step(
  step: Callable[..., Any],
  devices: Sequence[jax.Device],
  state: Any,
  inputs: Sequence[Any],
  *,
  split_inputs: bool = False,
) -> jax.stages.Lowered:
  """The program of a `ParallelStep` for devices that need not be there, ready to be compiled.

  Args:
    step, split_inputs: as of `ParallelStep`.
    devices: such as those of `jax.experimental.topologies`; only asked what they are.
    state, inputs: anything with shapes and dtypes; inputs `[D, ...]` with `split_inputs`.
  """
  mesh = _mesh(list(devices))
  replicated, split_up = (NamedSharding(mesh, spec) for spec in (PartitionSpec(), _ROWS))
  shards = jax.ShapeDtypeStruct((len(devices),), np.int32)
  return _mapped(step, len(inputs), split_inputs, devices).lower(
    _described(state, replicated),
    *_described(tuple(inputs), split_up if split_inputs else replicated),
    _described(shards, split_up),
  )


def lower_inference(
  function: Callable[[Any, jax.Array], jax.Array],
  devices: Sequence[jax.Device],
  variables: Any,
  batch: Any,
) -> jax.stages.Lowered:
  """The program of `parallel_inference`, as `lower_step`; batch `[D, b, ...]`."""
  mesh = _mesh(list(devices))
  return jax.pmap(function, in_axes=(None, 0), devices=list(devices)).lower(
    _described(variables, NamedSharding(mesh, PartitionSpec())),
    _described(batch, NamedSharding(mesh, _ROWS)),
  )


def parallel_inference(
  function: Callable[[Any, jax.Array], jax.Array], devices: Sequence[jax.Device]
) -> Callable[[Any, np.ndarray], jax.Array]:
  """Runs a function of a batch on several devices, each of which takes its part.

  Args:
    function: `(variables, part)` → output, with parts `[b, ...]` and outputs `[b, ...]`.
    devices: of this process.

  Returns:
    `(variables, batch)` → outputs `[D, b, ...]`, with D the number of devices, batches
    `[D, b, ...]`, and variables as `replicate(variables, devices)` makes them.
  """
  return jax.pmap(function, in_axes=(None, 0), devices=list(devices))


def _mapped(
  step: Callable[..., Any],
  num_inputs: int,
  split_inputs: bool,
  devices: Sequence[jax.Device] | None,
) -> Any:
  """The step on all devices; None: those that JAX has."""
  return jax.pmap(
    step,
    axis_name=AXIS,
    axis_size=jax.device_count() if devices is None else len(devices),
    in_axes=(None, *(0 if split_inputs else None,) * num_inputs, 0),
    out_axes=None,
    donate_argnums=0,
    devices=None if devices is None else list(devices),
  )


def _described(tree: Any, sharding: NamedSharding) -> Any:
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def _replicated(devices: list[jax.Device] | None) -> NamedSharding:
  return NamedSharding(_mesh(devices), PartitionSpec())


def _one_row_each(rows: np.ndarray) -> jax.Array:
  """Puts row i of an array `[L, ...]` on device i of this process; `[D, ...]` over all devices."""
  sharding = NamedSharding(_mesh(None), _ROWS)
  return jax.make_array_from_process_local_data(sharding, rows)


def _mesh(devices: list[jax.Device] | None) -> Mesh:
  """The devices in a row; None: all, process by process, which is their order in `pmap`."""
  if devices is None:
    devices = [
      device for process in range(jax.process_count()) for device in jax.local_devices(process)
    ]
  return Mesh(np.array(devices), (AXIS,))

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
    raise UserError(
      f"JAX cannot start on {jax.config.jax_platforms or 'a device'}: {one_line(error)}; install "
      f"JAX for this hardware, end what holds it, or set JAX_PLATFORMS=cpu"
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


def replicate(tree: Tree, devices: list[jax.Device] | None = None) -> Tree:
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
    batch: arrays `[b, ...]`, b a multiple of the number of local devices D.

  Returns:
    arrays `[D, b / D, ...]` for `parallel_step`; the transfer goes on while the caller does.
  """
  devices = jax.local_devices()
  sharding = NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec(AXIS))
  return jax.device_put(
    jax.tree.map(lambda x: x.reshape(len(devices), -1, *x.shape[1:]), batch), sharding
  )


def call_replicated(function: Callable[[], Tree]) -> Tree:
  """The result of `function`, compiled and run by every process, on each device."""
  return jax.jit(function, out_shardings=_replicated(None))()


def as_replicated(tree: Any) -> Any:
  """Shapes and dtypes of `tree` with the sharding of `replicate`, for restoring a checkpoint in
  place.
  """
  sharding = _replicated(None)
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def as_global(tree: Tree) -> Tree:
  """Replicated arrays as arrays on the devices of all processes, which is how a checkpoint is
  written.

  With several processes, mapped functions return arrays that know of this process's devices alone.
  Nothing is copied.
  """
  if jax.process_count() == 1:
    return tree
  sharding = _replicated(None)
  return jax.tree.map(
    lambda x: jax.make_array_from_single_device_arrays(
      x.shape, sharding, [shard.data for shard in x.addressable_shards]
    ),
    tree,
  )


def to_host(tree: Tree) -> Tree:
  """This process's copy of replicated arrays, as NumPy arrays."""
  return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), tree)


def parallel_step(
  step: Callable[..., Any], num_inputs: int, *, split_inputs: bool = False
) -> Callable[..., Any]:
  """Runs a training step on every device.

  Args:
    step: `(state, *inputs, shard)` → `(state, sums)`, where `shard` is the index of the device. It
      must return the
      same values on every device: reduce over `AXIS` inside.
    num_inputs: number of `inputs`.
    split_inputs: whether `split` made the inputs, so that each device sees its part; else they are
      replicated.

  Returns:
    `(state, *inputs)` → `(state, sums)`. The state passed in is donated: its buffers are gone after
    the call.
  """
  in_axes = (None, *(0 if split_inputs else None,) * num_inputs, 0)
  mapped = jax.pmap(step, axis_name=AXIS, in_axes=in_axes, out_axes=None, donate_argnums=0)
  first = jax.process_index() * jax.local_device_count()
  shards = np.arange(first, first + jax.local_device_count(), dtype=np.int32)
  return lambda *arguments: mapped(*arguments, shards)


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


def _replicated(devices: list[jax.Device] | None) -> NamedSharding:
  return NamedSharding(
    Mesh(np.array(jax.devices() if devices is None else devices), (AXIS,)), PartitionSpec()
  )

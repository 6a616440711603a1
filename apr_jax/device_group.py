"""Devices that act as one: what the devices of a group average and gather together.

The devices of a mapped axis stand in a row. In groups of N the first N devices are group 0, the
next N are group 1, and so on. Methods that look along the axis are called inside the mapped
function.
"""

import dataclasses
from typing import TypeVar

import jax

from apr_jax.errors import UserError

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True)
class DeviceGroup:
  """The groups into which the devices of a mapped axis are divided.

  With groups of one nothing is averaged or gathered, and the program has no trace of it.

  Attributes:
    axis_name: of the mapped axis.
    size: devices in a group, a divisor of their number; 0 = all of the axis.

  Examples:
    >>> group = DeviceGroup("devices")
    >>> parts = np.arange(4.0).reshape(2, 2)  # of two devices
    >>> jax.vmap(group.mean, axis_name="devices")(parts).tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    >>> jax.vmap(group.gather, axis_name="devices")(parts).tolist()
    [[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]]
  """

  axis_name: str
  size: int = 0

  @property
  def devices(self) -> int:
    """The number of devices in a group."""
    return self.size or jax.lax.axis_size(self.axis_name)

  def mean(self, tree: Tree) -> Tree:
    """The mean over the group of each array, on each of its devices."""
    if self.devices == 1:
      return tree
    return jax.lax.pmean(tree, self.axis_name, axis_index_groups=self._members())

  def gather(self, tree: Tree) -> Tree:
    """Arrays `[B, ...]` of each device as `[N·B, ...]`, in the order of the group's devices.

    Each device receives what the N − 1 others hold.
    """
    if self.devices == 1:
      return tree
    return jax.lax.all_gather(tree, self.axis_name, axis_index_groups=self._members(), tiled=True)

  def _members(self) -> list[list[int]] | None:
    """The places on the axis of each group's devices; None: one group of all."""
    devices, size = jax.lax.axis_size(self.axis_name), self.devices
    check_size(size, devices)
    if size == devices:
      return None
    return [list(range(first, first + size)) for first in range(0, devices, size)]


ALONE = DeviceGroup("", 1)
"""Each device by itself, mapped or not."""


def check_size(size: int, num_devices: int) -> None:
  """Refuses groups into which the devices do not divide; 0 is a group of all.

  Raises:
    UserError: with both numbers and what there is to choose from.
  """
  if size and num_devices % size:
    divisors = [n for n in range(1, num_devices + 1) if num_devices % n == 0]
    raise UserError(
      f"device_group {size} does not divide the number of devices, {num_devices}; "
      f"give one of {', '.join(map(str, divisors))}, or 0 for all"
    )

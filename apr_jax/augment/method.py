"""What a method of augmentation is: its settings, what it does to a batch, and what it is trained
with.

To add one, write a file with the function and its method, and add a line to `METHODS` in
`methods.py`:

    @dataclasses.dataclass(frozen=True)
    class Noise(Method):
      scale: float = setting(0.0, "largest amplitude, in units of [0, 1]; 0 = off", share())

      stage: ClassVar[str] = "pixels"

      @property
      def on(self) -> bool:
        return self.scale > 0

      def __call__(self, batch: Batch) -> Batch:
        key = batch.draw("noise")
        return batch.change(images=noise(key, batch.images, self.scale, positions=batch.positions))

Its settings are then the section `augment.noise` of every configuration, held to their rules.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys, losses
from apr_jax.device_group import ALONE, DeviceGroup

STAGES = ("image", "pixels", "batch", "views", "beside")
"""Where in the augmentation a method stands, in this order; at most one method of each is on.

- image: changes uint8 images one by one, before crop and flip; what it leaves may be floats in
  levels of 0..255, of any range.
- pixels: changes float images in [0, 1] one by one, after crop and flip.
- batch: pairs the images of a batch; it changes them and their targets, or makes views of them.
- views: makes all views of uint8 images, after crop and flip. It stands alone, but for the next.
- beside: adds a view, the last, of the images as crop and flip alone leave them.
"""

Loss = Callable[[losses.Outputs, jax.Array], jax.Array]
"""Outputs of the views and targets → float32 `[]`."""


@dataclasses.dataclass(frozen=True)
class Batch:
  """One device's share of a batch on its way through the augmentation.

  Attributes:
    key: PRNG key of the step, the same on all devices.
    images: uint8 `[B, H, W, 3]`, or float32 in [0, 1] in the stages "pixels" and "batch".
    targets: float32 `[B, K]`, or whatever the loss of the method that makes them takes.
    positions: int `[B]`, the images' places in the global batch.
    shard: int `[]`, index of the device.
    mean, std: float32 `[3]`, of the network's input normalisation, in units of [0, 1].
    group: the devices whose images are paired with each other; `shard` is the place on its axis.
    views: float32 `[V, B, H, W, 3]`; None as long as the images are the only view.
    plain: float32 `[B, H, W, 3]` in [0, 1], the images as crop and flip alone leave them; None
      where no method of the stage "beside" is on.
  """

  key: jax.Array
  images: jax.Array
  targets: jax.Array
  positions: jax.Array
  shard: jax.Array
  mean: np.ndarray
  std: np.ndarray
  group: DeviceGroup = ALONE
  views: jax.Array | None = None
  plain: jax.Array | None = None

  def draw(self, name: str) -> jax.Array:
    """The key of a random stream, which no other method may name."""
    return keys.stream(self.key, name)

  def change(self, **changes: Any) -> "Batch":
    """The batch with other images, targets or views."""
    return dataclasses.replace(self, **changes)


def stacked(views: Sequence[jax.Array]) -> jax.Array:
  """Views `[B, ...]` as `[V, B, ...]`.

  They are joined along the batch, as the network takes them: `jnp.stack` would have a TPU lay them
  out twice.
  """
  return jnp.concatenate(views).reshape(len(views), *views[0].shape)


@dataclasses.dataclass(frozen=True)
class Method:
  """A method of augmentation; its fields are its settings, made by `settings.setting`.

  Attributes:
    stage: one of `STAGES`; a property where the settings decide it.
    projection: whether its loss needs a projection beside the logits.
    batch_norm_groups: which views see each other's batch statistics; each view's number is in one
      group. Each group passes through the network by itself, and the running statistics are those
      of the first. None: all views pass together.

  Loss, projection and groups of batch norm count for the stages "batch" and "views", whose methods
  make the views that the network sees. A view of the stage "beside" passes through batch
  normalisation of its own (`models.norm_route`), and its method has `loss_beside`.
  """

  projection: ClassVar[bool] = False
  batch_norm_groups: ClassVar[tuple[tuple[int, ...], ...] | None] = None

  @property
  def stage(self) -> str:
    """One of `STAGES`."""
    raise NotImplementedError

  @property
  def on(self) -> bool:
    """Whether its settings switch it on."""
    raise NotImplementedError

  @property
  def batch_coin(self) -> str | None:
    """The setting that one coin decides for a whole batch; pictures set it to 1. None: there is no
    such coin.
    """
    return None

  def __call__(self, batch: Batch) -> Batch:
    """The batch after the method, which draws from `batch.draw(its name)`."""
    raise NotImplementedError

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    """What the training step lowers, float32 `[]`.

    Args:
      outputs: what the network makes of the views: logits float32 `[V, B, K]` and, if `projection`,
        a projection `[V, B, D]`.
      targets: float32 `[B, K]`.
      axis_name: mapped axis of the devices, for losses that compare views across them.
    """
    del axis_name
    return losses.apr_loss(outputs.logits, targets)

  def loss_beside(
    self, main: Loss, outputs: losses.Outputs, targets: jax.Array, clean_targets: jax.Array
  ) -> jax.Array:
    """What the training step lowers where this method adds a view; of the stage "beside" alone.

    Args:
      main: the loss of the other methods, of their views.
      outputs: of all views, that of this method last.
      targets: what `main` takes.
      clean_targets: float32 `[B, K]`, of the images as crop and flip leave them.
    """
    raise NotImplementedError

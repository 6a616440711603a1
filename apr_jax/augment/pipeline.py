"""From a batch of uint8 images to the float views that the network sees, inside the compiled step.

The methods stand in `methods.METHODS`; here is the order in which their stages run.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from apr_jax import keys, losses
from apr_jax.augment import crop_flip
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.methods import switched_on
from apr_jax.device_group import ALONE, DeviceGroup

Targets = jax.Array | tuple[jax.Array, jax.Array]
"""Of all views; or of those that methods make together, and of one beside them."""


@dataclasses.dataclass(frozen=True, eq=False)  # compared as the function it is
class Augmentation:
  """The augmentation of the training step, and what the step needs to know of it.

  Attributes:
    methods: those that are on, by name.
    crop_padding, crop_fill, flip, label_smoothing: of `config.augment`.
    num_classes: K.
    mean, std: of the network's input normalisation per channel, in units of [0, 1]; Cutout blanks
      with the mean, and APR-P recombines normalised images where `apr_p.normalised` says so.
    group: the devices whose images are paired with each other.
  """

  methods: dict[str, Method]
  crop_padding: int
  crop_fill: int
  flip: bool
  num_classes: int
  mean: tuple[float, ...]
  std: tuple[float, ...]
  label_smoothing: float = 0.0
  group: DeviceGroup = ALONE

  def __call__(
    self,
    key: jax.Array,
    images: jax.Array,
    labels: jax.Array,
    positions: jax.Array,
    shard: jax.Array,
  ) -> tuple[jax.Array, Targets]:
    """Augments one device's share of a batch.

    An image's augmentation depends on the key and its position alone, so it is the same on any
    number of devices. Where images are paired, partners come from the same device, so that no image
    crosses between devices, or from the devices of its group. What is off leaves no trace in the
    program.

    Args:
      key: PRNG key of the step, the same on all devices.
      images: uint8 `[B, H, W, 3]`.
      labels: int `[B]`.
      positions: int `[B]`, the images' places in the global batch.
      shard: int `[]`, index of the device.

    Returns:
      views float32 `[V, B, H, W, 3]` in [0, 1] (those of APR-P and HA-P are not clipped) and
      targets float32 `[B, K]`. V is 3 with AugMix, 2 with APR-P or HA-P, as configured with SimCLR,
      else 1. The first view is the clean one, except that Mixup and CutMix mix it, and the targets
      with it, and SimCLR has none. A method of the stage "beside" adds a view, and the targets are
      then a pair: those of the other views, and those of the images as crop and flip leave them.
    """
    targets = losses.smoothed(jax.nn.one_hot(labels, self.num_classes), self.label_smoothing)
    mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
    batch = Batch(key, images, targets, positions, shard, mean, std, self.group)

    batch = self._apply("image", batch)
    with jax.named_scope("crop_flip"):
      if self._beside is not None:
        plain = self._crop_and_flip(batch.change(images=images)).images
        batch = batch.change(plain=plain.astype(jnp.float32) / 255)
      batch = self._crop_and_flip(batch)
    batch = self._apply("views", batch)
    if batch.views is None:
      batch = batch.change(images=batch.images.astype(jnp.float32) / 255)
      batch = self._apply("pixels", batch)
      batch = self._apply("batch", batch)

    views = batch.images[None] if batch.views is None else batch.views
    if self._beside is None:
      return views, batch.targets
    batch = self._apply("beside", batch.change(views=views))
    assert batch.views is not None
    return batch.views, (batch.targets, targets)

  def loss(
    self, outputs: losses.Outputs, targets: Targets, axis_name: str | None = None
  ) -> jax.Array:
    """The loss of the views; see `Method.loss`. Without a method of its own it is that of APR."""

    def main(outputs: losses.Outputs, targets: jax.Array) -> jax.Array:
      return self._makes_views.loss(outputs, targets, axis_name)

    if isinstance(targets, tuple):
      assert self._beside is not None
      return self._beside.loss_beside(main, outputs, *targets)
    return main(outputs, targets)

  @property
  def projection(self) -> bool:
    """Whether the loss needs a projection beside the logits."""
    return self._makes_views.projection

  @property
  def batch_norm_groups(self) -> tuple[tuple[int, ...], ...] | None:
    """Which views see each other's batch statistics; see `Method`."""
    return self._makes_views.batch_norm_groups

  @property
  def auxiliary_views(self) -> int:
    """How many of the last views pass through batch normalisation of their own."""
    return int(self._beside is not None)

  @property
  def _beside(self) -> Method | None:
    """The one method that adds a view to those of the others."""
    return next((m for m in self.methods.values() if m.stage == "beside"), None)

  @property
  def _makes_views(self) -> Method:
    """The one method that makes the views; where there is none, what all methods have in common."""
    found = [m for m in self.methods.values() if m.stage in ("batch", "views")]
    return found[0] if found else Method()

  def _apply(self, stage: str, batch: Batch) -> Batch:
    for name, method in self.methods.items():
      if method.stage == stage:
        with jax.named_scope(name):
          batch = method(batch)
    return batch

  def _crop_and_flip(self, batch: Batch) -> Batch:
    images, positions = batch.images, batch.positions
    if self.crop_padding > 0:
      key = keys.stream(batch.key, "crop")
      images = crop_flip.random_crop(
        key, images, self.crop_padding, self.crop_fill, positions=positions
      )
    if self.flip:
      images = crop_flip.random_flip(keys.stream(batch.key, "flip"), images, positions=positions)
    return batch.change(images=images)


def make_augmentation(
  settings: ml_collections.ConfigDict,
  num_classes: int,
  mean: Sequence[float] = (0.0, 0.0, 0.0),
  std: Sequence[float] = (1.0, 1.0, 1.0),
  group: DeviceGroup = ALONE,
) -> Augmentation:
  """The augmentation of a configuration.

  Args:
    settings: `config.augment`.
    num_classes: K.
    mean, std: of the network's input normalisation, in units of [0, 1].
    group: the devices whose images are paired with each other; by default each device by itself.

  Raises:
    UserError: two methods exclude each other.
  """
  return Augmentation(
    methods=switched_on(settings),
    crop_padding=settings.crop_padding,
    crop_fill=settings.crop_fill,
    flip=settings.flip,
    num_classes=num_classes,
    mean=tuple(mean),
    std=tuple(std),
    label_smoothing=settings.label_smoothing,
    group=group,
  )

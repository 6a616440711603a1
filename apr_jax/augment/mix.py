"""Mixup and CutMix: pairs of images whose labels are mixed with them.

Images are float `[B, H, W, C]` of any range, targets float `[B, K]` whose rows sum to 1. One share
λ ~ Beta(α, α), and in CutMix one box, serves the whole batch, as in the released codes; the
partners are a permutation of it.

On several devices the same key gives all the same λ and box; `shard`, the device's index, gives
each a permutation of its own, so that no image crosses between devices. A group of devices has one
permutation of all its images.

References: Zhang et al., mixup, ICLR 2018 (https://arxiv.org/abs/1710.09412); Yun et al., CutMix,
ICCV 2019 (https://arxiv.org/abs/1905.04899).
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import settings
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.partners import random_places
from apr_jax.device_group import ALONE, DeviceGroup

Mixed = tuple[jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class Mixup(Method):
  """Mixup of images and targets; there is no clean view."""

  alpha: float = settings.setting(
    0.0, "of the Beta distribution; 0 = off; the release: 1", settings.at_least(0)
  )

  stage: ClassVar[str] = "batch"

  @property
  def on(self) -> bool:
    return self.alpha > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("mixup")
    images, targets = mixup(
      key, batch.images, batch.targets, self.alpha, shard=batch.shard, group=batch.group
    )
    return batch.change(images=images, targets=targets)


@dataclasses.dataclass(frozen=True)
class CutMix(Method):
  """CutMix of images and targets; there is no clean view."""

  alpha: float = settings.setting(
    0.0, "of the Beta distribution; 0 = off; the paper: 1", settings.at_least(0)
  )
  prob: float = settings.setting(
    0.5,
    "of mixing a batch at all; the release: 0.5 on CIFAR-100, 1 on ImageNet",
    settings.share(),
  )

  stage: ClassVar[str] = "batch"
  batch_coin: ClassVar[str] = "prob"

  @property
  def on(self) -> bool:
    return self.alpha > 0

  def __call__(self, batch: Batch) -> Batch:
    images, targets = cutmix(
      batch.draw("cutmix"),
      batch.images,
      batch.targets,
      self.alpha,
      prob=self.prob,
      shard=batch.shard,
      group=batch.group,
    )
    return batch.change(images=images, targets=targets)


def mixup(
  key: jax.Array,
  images: jax.Array,
  targets: jax.Array,
  alpha: float = 1.0,
  *,
  shard: int | jax.Array = 0,
  group: DeviceGroup = ALONE,
) -> Mixed:
  """Averages each image with another: λ·x + (1 − λ)·x[π], and the targets likewise.

  Args:
    key: PRNG key.
    images: float `[B, H, W, C]`.
    targets: float `[B, K]`.
    alpha: of the Beta distribution, above 0; 1 is uniform.
    shard: index of the device.
    group: the devices among whose images partners are drawn; by default the device alone.

  Returns:
    images and targets, float32 of the same shapes.
  """
  share_key, permutation_key = jax.random.split(key)
  permutation = random_places(permutation_key, len(images), shard, group)
  share = jax.random.beta(share_key, alpha, alpha)
  return blend(images, targets, permutation, share, group)


def cutmix(
  key: jax.Array,
  images: jax.Array,
  targets: jax.Array,
  alpha: float = 1.0,
  *,
  prob: float = 1.0,
  shard: int | jax.Array = 0,
  group: DeviceGroup = ALONE,
) -> Mixed:
  """Pastes a box of another image into each; the targets are mixed by the shares of the pixels.

  The box has about the share 1 − λ of the image: its sides are the image's times √(1 − λ), its
  centre is uniform over the pixels, and what lies outside the image is cut off.

  Args:
    key: PRNG key.
    images: float `[B, H, W, C]`.
    targets: float `[B, K]`.
    alpha: of the Beta distribution, above 0; 1 is uniform.
    prob: probability of mixing the batch at all.
    shard: index of the device.
    group: the devices among whose images partners are drawn; by default the device alone.

  Returns:
    images and targets, float32 of the same shapes.
  """
  coin_key, share_key, row_key, column_key, permutation_key = jax.random.split(key, 5)
  height, width = images.shape[1:3]
  share = jax.random.beta(share_key, alpha, alpha)
  box = box_of(
    height,
    width,
    jnp.where(jax.random.bernoulli(coin_key, prob), share, 1.0),
    jax.random.randint(row_key, (), 0, height),
    jax.random.randint(column_key, (), 0, width),
  )
  permutation = random_places(permutation_key, len(images), shard, group)
  return paste(images, targets, permutation, box, group)


def blend(
  images: jax.Array,
  targets: jax.Array,
  permutation: jax.Array,
  share: float | jax.Array,
  group: DeviceGroup = ALONE,
) -> Mixed:
  """`share` of each image and target, and the rest of its partner, float32; `permutation` holds
  places among the images of the group.
  """
  return (
    _average(jnp.asarray(images, jnp.float32), permutation, share, group),
    _average(jnp.asarray(targets, jnp.float32), permutation, share, group),
  )


def paste(
  images: jax.Array,
  targets: jax.Array,
  permutation: jax.Array,
  box: jax.Array,
  group: DeviceGroup = ALONE,
) -> Mixed:
  """The partner's pixels inside the box (top, bottom, left, right), bottom and right excluded;
  targets by area.
  """
  height, width = images.shape[1:3]
  top, bottom, left, right = box
  rows, columns = jnp.arange(height), jnp.arange(width)
  inside = jnp.outer((rows >= top) & (rows < bottom), (columns >= left) & (columns < right))
  images = jnp.asarray(images, jnp.float32)
  mixed = jnp.where(inside[..., None], group.gather(images)[permutation], images)
  targets = jnp.asarray(targets, jnp.float32)
  return mixed, _average(targets, permutation, 1 - inside.mean(), group)


def _average(
  x: jax.Array, permutation: jax.Array, share: float | jax.Array, group: DeviceGroup
) -> jax.Array:
  return share * x + (1 - share) * group.gather(x)[permutation]


def box_of(
  height: int, width: int, share: float | jax.Array, row: jax.Array, column: jax.Array
) -> jax.Array:
  """The box that leaves about `share` of the image, around (row, column).

  Returns:
    int32 `[4]`: top, bottom, left, right, within the image. An odd side loses a pixel, as in the
    released code.
  """
  scale = jnp.sqrt(1 - jnp.asarray(share, jnp.float32))
  ends = []
  for length, centre in ((height, row), (width, column)):
    half = (length * scale).astype(jnp.int32) // 2
    ends += [jnp.clip(centre - half, 0, length), jnp.clip(centre + half, 0, length)]
  return jnp.stack(ends)

"""HybridAugment and HybridAugment++: low frequencies of one image, high frequencies of another.

An image x is split into low(x), a Gaussian blur, and high(x) = x − low(x). Between two images or
two views, the low part decides the label, the high part is exchanged; ++ recombines amplitude and
phase (APR) within the low part. The functions take the place of `apr_p` and `apr_s` and share their
coins and views.

Units: `ha_p` takes and returns float images in [0, 1] (its output is not clipped), `ha_s` uint8
images.

Reference: Yucel et al., HybridAugment++, ICCV 2023 (https://arxiv.org/abs/2307.11823), and the
released CIFAR code.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys, settings, spectrum
from apr_jax.augment import apr
from apr_jax.augment.method import Batch, Method, stacked
from apr_jax.augment.partners import random_partners
from apr_jax.augment.permuted import permuted
from apr_jax.augment.two_views import two_views
from apr_jax.device_group import ALONE, DeviceGroup

SIGMA = 0.5  # pixels; the released 3x3 kernel. A wider blur trades clean accuracy for robustness.


@dataclasses.dataclass(frozen=True)
class HybridP(Method):
  """HA-P as a second view beside the clean one, in place of APR-P."""

  prob: float = settings.setting(
    0.0,
    "of exchanging high frequencies in the batch; 0 = off; the release: 0.6",
    settings.share(),
  )
  plus: bool = settings.setting(
    False, "HybridAugment++: APR-P, with the same probability, on the low frequencies"
  )
  per_image: bool = settings.setting(False, "coins per image instead of per batch")

  stage: ClassVar[str] = "batch"

  @property
  def on(self) -> bool:
    return self.prob > 0

  @property
  def batch_coin(self) -> str | None:
    return None if self.per_image else "prob"

  def __call__(self, batch: Batch) -> Batch:
    view = ha_p(
      batch.draw("hybrid_p"),
      batch.images,
      self.prob,
      self.plus,
      per_image=self.per_image,
      positions=batch.positions,
      shard=batch.shard,
      group=batch.group,
    )
    return batch.change(views=stacked([batch.images, view]))


@dataclasses.dataclass(frozen=True)
class HybridS(apr.SingleImages):
  """HA-S on the images, in place of APR-S."""

  plus: bool = settings.setting(False, "HybridAugment++: APR-S on the low frequencies")

  def __call__(self, batch: Batch) -> Batch:
    images = ha_s(
      batch.draw("hybrid_s"),
      batch.images,
      self.severity,
      self.overflow,
      self.plus,
      prob=self.prob,
      positions=batch.positions,
    )
    return batch.change(images=images)


def low_pass(images: jax.Array) -> jax.Array:
  """Blurs with a 3×3 Gaussian of σ ½, the edges mirrored without repeating the outermost pixel.

  That is torchvision's `gaussian_blur`, whose border mode is "reflect".

  Args:
    images: float `[..., H, W, C]`, H and W at least 2.

  Returns:
    float32 of the same shape and range.
  """
  side, centre = (float(weight) for weight in _kernel())
  height, width, _ = images.shape[-3:]
  border = [(0, 0)] * (images.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
  padded = jnp.pad(images.astype(jnp.float32), border, mode="reflect")
  rows = (
    side * (padded[..., :height, :, :] + padded[..., 2:, :, :]) + centre * padded[..., 1:-1, :, :]
  )
  return side * (rows[..., :width, :] + rows[..., 2:, :]) + centre * rows[..., 1:-1, :]


def ha_p(
  key: jax.Array,
  images: jax.Array,
  prob: float = 0.6,
  plus: bool = False,
  *,
  per_image: bool = False,
  positions: jax.Array | None = None,
  shard: int | jax.Array = 0,
  group: DeviceGroup = ALONE,
) -> jax.Array:
  """HA-P: low(x) + high(x[π]); HA-P++: APR-P(low(x)) + high(x[π]).

  The label of an output is that of the input at the same place. One coin decides for the whole
  batch; where it fails the output is a copy of the input. The APR-P of ++ has a permutation and a
  coin of its own.

  Args:
    key: PRNG key.
    images: float `[B, H, W, C]`, in [0, 1].
    prob: probability of exchanging the high part, and in ++ of recombining the low one.
    plus: HybridAugment++.
    per_image: draw coins per image instead of per batch.
    positions, shard, group: of the images, of the device and of its group, as in `apr_p`. The
      devices of a group send each other the high parts, and in ++ the amplitudes of the low ones.

  Returns:
    float32 `[B, H, W, C]`, not clipped.

  Raises:
    UserError: another dtype or shape.

  Examples:
    >>> images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    >>> ha_p(jax.random.key(1), images, plus=True).shape
    (4, 8, 8, 3)
  """
  apr.check_pair(images)
  return _ha_p(key, images, prob, plus, per_image, positions, shard, group)


def swap_high(
  images: jax.Array,
  permutation: jax.Array,
  chosen: jax.Array,
  low_partners: tuple[jax.Array, jax.Array] | None = None,
  group: DeviceGroup = ALONE,
) -> jax.Array:
  """Gives `images` the high part of `images[permutation]` where `chosen`.

  Args:
    images: float `[B, H, W, C]`.
    permutation: int `[B]`, places among the images of the group.
    chosen: bool, `[]` or `[B]`; where false the image is returned as it is.
    low_partners: the permutation and coins with which the low parts swap amplitudes (++); None
      leaves them alone.
    group: of devices, which send each other their high parts; by default the device alone.

  Returns:
    float32 `[B, H, W, C]`, not clipped.
  """
  images = images.astype(jnp.float32)
  low = low_pass(images)
  high = permuted(images - low, permutation, group=group)
  if low_partners is not None:
    low = apr.swap_amplitudes(low, *low_partners, group=group)
  return jnp.where(chosen.reshape(-1, 1, 1, 1), low + high, images)


def ha_s(
  key: jax.Array,
  images: jax.Array,
  severity: float = 3,
  overflow: str = "clip",
  plus: bool = False,
  *,
  prob: float = 1.0,
  positions: jax.Array | None = None,
) -> jax.Array:
  """HA-S: the low part of one augmented view of each image and the high part of another.

  The views are drawn as in `apr_s`: an operation gives the first, which with probability ½ is the
  result; else another on top of it gives the second, and a fair coin decides which gives the low
  part. In ++ the low part, as a uint8 image, passes through a whole APR-S with its own operations
  and coins before the high part is added.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    severity: severity of the operations, above 0.1 and at most 10.
    overflow: how floats return to uint8, as in `apr_s`; the released code truncates and wraps.
    plus: HybridAugment++.
    prob: probability, per image, of augmenting at all.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.

  Raises:
    UserError: another dtype or shape, or an option out of its range.

  Examples:
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> ha_s(jax.random.key(0), images).dtype.name
    'uint8'
  """
  apr.check_single(images, severity, overflow)
  return _ha_s(key, images, float(severity), overflow, plus, prob, positions)


def _kernel() -> np.ndarray:
  """The weights of an outer pixel and of the centre along one axis; they sum to 1 as side + centre
  + side.
  """
  weights = np.exp(-0.5 * (np.array([1.0, 0.0]) / SIGMA) ** 2)
  return weights / (2 * weights[0] + weights[1])


@functools.partial(jax.jit, static_argnames=("plus", "per_image", "group"))
def _ha_p(
  key: jax.Array,
  images: jax.Array,
  prob: float,
  plus: bool,
  per_image: bool,
  positions: jax.Array | None,
  shard: int | jax.Array,
  group: DeviceGroup,
) -> jax.Array:
  outer, inner = (
    random_partners(part, images, prob, per_image, positions, shard, group)
    for part in jax.random.split(key)
  )
  return swap_high(images, *outer, inner if plus else None, group)


@functools.partial(jax.jit, static_argnames=("severity", "overflow", "plus"))
def _ha_s(
  key: jax.Array,
  images: jax.Array,
  severity: float,
  overflow: str,
  plus: bool,
  prob: float,
  positions: jax.Array | None,
) -> jax.Array:
  image_keys = keys.per_image(key, images, positions)
  views = two_views(image_keys, images, severity, prob)
  low_of, high_of = (view.astype(jnp.float32) for view in views.in_order())
  low = low_pass(low_of)
  if plus:
    inner_keys = jax.vmap(lambda key: keys.stream(key, "apr_s"))(image_keys)
    low = apr.recombine_views(
      inner_keys, apr.to_uint8(low, overflow), severity, overflow, spectrum.HWC, 1.0
    ).astype(jnp.float32)
  return views.result(images, apr.to_uint8(low + high_of - low_pass(high_of), overflow))

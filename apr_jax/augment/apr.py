"""Amplitude-Phase Recombination: APR-P between two images, APR-S between two views of one.

Both are plain functions of a key and a batch; they work under `jax.jit`, `jax.vmap` and in any
training code. Units: `apr_p` takes and returns float images in [0, 1] (its output is not clipped),
`apr_s` uint8 images.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Section 3.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from apr_jax import keys, losses, settings, spectrum
from apr_jax.augment import ops
from apr_jax.augment.method import Batch, Method, stacked
from apr_jax.augment.partners import random_partners
from apr_jax.augment.permuted import permuted
from apr_jax.augment.two_views import Views, two_views
from apr_jax.device_group import ALONE, DeviceGroup
from apr_jax.errors import UserError

OVERFLOW = settings.one_of(("clip", "wrap"))
"""The rule of every overflow."""


def overflow_setting() -> str:
  """How floats return to uint8, as a setting of a method."""
  return settings.setting(
    "wrap", "values outside 0..255: wrap, as the released code does, or clip", OVERFLOW
  )


@dataclasses.dataclass(frozen=True)
class AprP(Method):
  """APR-P as a second view beside the clean one."""

  prob: float = settings.setting(
    0.0,
    "of recombining amplitudes within the batch; 0 = off; the paper: 0.6, on ImageNet 0.5",
    settings.share(),
  )
  normalised: bool = settings.setting(
    False, "recombine after the input normalisation, as released for ImageNet"
  )
  per_image: bool = settings.setting(False, "one coin per image instead of one per batch")
  double: bool = settings.setting(
    False,
    "two views also where prob is 0, the second a copy, which an adversary attacks by itself; as "
    "the release's FGSM training",
  )
  mean_loss: bool = settings.setting(
    False,
    "the mean of the two views' losses instead of their sum; as the release's FGSM training",
  )

  stage: ClassVar[str] = "batch"

  @property
  def on(self) -> bool:
    return self.prob > 0 or self.double

  @property
  def batch_coin(self) -> str | None:
    return None if self.per_image or self.prob == 0 else "prob"

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    total = super().loss(outputs, targets, axis_name)
    return total / len(outputs.logits) if self.mean_loss else total

  def __call__(self, batch: Batch) -> Batch:
    if self.prob == 0:
      return batch.change(views=stacked([batch.images, batch.images]))
    images = batch.images
    if self.normalised:
      images = (images - batch.mean) / batch.std
    view = apr_p(
      batch.draw("apr_p"),
      images,
      self.prob,
      per_image=self.per_image,
      positions=batch.positions,
      shard=batch.shard,
      group=batch.group,
    )
    if self.normalised:  # back again: the network normalises its input itself
      view = view * batch.std + batch.mean
    return batch.change(views=stacked([batch.images, view]))


@dataclasses.dataclass(frozen=True)
class SingleImages(Method):
  """What is done to single images with the operations of APR-S, in its place or itself."""

  prob: float = settings.setting(
    0.0, "of augmenting an image; 0 = off; as published: 1", settings.share()
  )
  severity: float = ops.severity_setting()
  overflow: str = overflow_setting()

  stage: ClassVar[str] = "image"

  @property
  def on(self) -> bool:
    return self.prob > 0


@dataclasses.dataclass(frozen=True)
class AprS(SingleImages):
  """APR-S on the images."""

  def __call__(self, batch: Batch) -> Batch:
    images = apr_s(
      batch.draw("apr_s"),
      batch.images,
      self.severity,
      self.overflow,
      prob=self.prob,
      positions=batch.positions,
    )
    return batch.change(images=images)


def apr_p(
  key: jax.Array,
  images: jax.Array,
  prob: float = 0.6,
  axes: Sequence[int] = spectrum.HWC,
  *,
  per_image: bool = False,
  positions: jax.Array | None = None,
  shard: int | jax.Array = 0,
  group: DeviceGroup = ALONE,
) -> jax.Array:
  """APR-P (Equation 5): gives each image the amplitude of another image of the batch and keeps its
  phase.

  The label of an output is that of the input at the same place: the phase decides. As in the
  released code one coin decides for the whole batch, and where it fails the output is a copy of the
  input.

  On several devices the same key gives all the same coin, or each image the coin of its position;
  `shard`, the device's index, gives each device a permutation of its own, so that no image crosses
  between devices. A `group` of devices draws one permutation of all its images, and its devices
  send each other their amplitudes: it returns, to the bit, what one device with these images would.

  Args:
    key: PRNG key.
    images: float `[B, H, W, C]`, in [0, 1].
    prob: probability of recombining; the paper uses 0.6 on CIFAR, 0.5 on ImageNet.
    axes: axes of the Fourier transform; `(-3, -2)` for the paper's per-channel transform.
    per_image: draw one coin per image instead of one per batch.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.
    shard: index of the device.
    group: the devices among whose images partners are drawn; by default the device alone.

  Returns:
    float32 `[B, H, W, C]`, not clipped.

  Raises:
    UserError: another dtype or shape.

  Examples:
    >>> images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    >>> apr_p(jax.random.key(1), images).shape
    (4, 8, 8, 3)
    >>> bool((apr_p(jax.random.key(1), images, prob=0.0) == images).all())
    True
  """
  check_pair(images)
  return _apr_p(key, images, prob, tuple(axes), per_image, positions, shard, group)


def swap_amplitudes(
  images: jax.Array,
  permutation: jax.Array,
  chosen: jax.Array,
  axes: Sequence[int] = spectrum.HWC,
  form: str | None = None,
  group: DeviceGroup = ALONE,
) -> jax.Array:
  """Recombines the amplitude of `images[permutation]` with the phase of `images` where `chosen`.

  Args:
    images: float `[B, H, W, C]`.
    permutation: int `[B]`, places among the images of the group.
    chosen: bool, `[]` or `[B]`; where false the image is returned as it is.
    axes: axes of the Fourier transform.
    form: as in `forms.by_platform`.
    group: of devices, which send each other their amplitudes; by default the device alone.

  Returns:
    float32 `[B, H, W, C]`, not clipped.
  """
  images = images.astype(jnp.float32)
  half = spectrum.half_spectrum(images, axes, form)
  mixed = spectrum.from_half_spectrum(
    permuted(jnp.abs(half), permutation, form, group),
    spectrum.phase_factor(half),
    images.shape,
    axes,
    form,
  )
  return jnp.where(chosen.reshape(-1, 1, 1, 1), mixed, images)


def apr_s(
  key: jax.Array,
  images: jax.Array,
  severity: float = 3,
  overflow: str = "clip",
  axes: Sequence[int] = spectrum.HWC,
  *,
  prob: float = 1.0,
  positions: jax.Array | None = None,
) -> jax.Array:
  """APR-S (Equation 6): recombines amplitude and phase of two augmented views of each image.

  An operation drawn from the nine of `ops` gives the first view. With probability ½ that is the
  result. Else another, applied to the first view, gives the second, and a fair coin decides which
  view gives the amplitude and which the phase.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    severity: severity of the operations, above 0.1 and at most 10.
    overflow: how values outside 0..255 return to uint8. "wrap" is the released code's cast
      (truncated, modulo 256); "clip" rounds and clips.
    axes: axes of the Fourier transform; `(-3, -2)` for the paper's per-channel transform.
    prob: probability, per image, of augmenting at all.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.

  Raises:
    UserError: another dtype or shape, or an option out of its range.

  Examples:
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> views = apr_s(jax.random.key(0), images, overflow="wrap")
    >>> views.shape, views.dtype.name
    ((2, 8, 8, 3), 'uint8')
  """
  check_single(images, severity, overflow)
  return _apr_s(key, images, float(severity), overflow, tuple(axes), prob, positions)


def to_uint8(values: jax.Array, overflow: str) -> jax.Array:
  """Float values meant for 0..255 → uint8, by `overflow` as in `apr_s`."""
  if overflow == "wrap":
    return (jnp.trunc(values).astype(jnp.int32) & 255).astype(jnp.uint8)
  return jnp.clip(jnp.round(values), 0, 255).astype(jnp.uint8)


def recombine_views(
  image_keys: jax.Array,
  images: jax.Array,
  severity: float,
  overflow: str,
  axes: Sequence[int],
  prob: float,
  form: str | None = None,
) -> jax.Array:
  """`apr_s` from one key per image; `form` as in `forms.by_platform`."""
  views = two_views(image_keys, images, severity, prob, form)
  return views.result(images, to_uint8(_recombine_views(views, axes, form), overflow))


def check_pair(images: jax.Array) -> None:
  """Refuses what `apr_p` does not take."""
  _check_batch(images, jnp.floating, "float [B, H, W, C]")


def check_single(images: jax.Array, severity: float, overflow: str) -> None:
  """Refuses what `apr_s` does not take."""
  _check_batch(images, jnp.uint8, "uint8 [B, H, W, 3]", channels=3)
  if not OVERFLOW(overflow):
    raise UserError(f"overflow must be {OVERFLOW.text}, got {overflow!r}")
  if not ops.SEVERITY(severity):
    raise UserError(f"severity must be {ops.SEVERITY.text}, got {severity}")


# Compiled, so that the first call outside jit does not compile every operation by itself; inside
# jit they inline.


@functools.partial(jax.jit, static_argnames=("axes", "per_image", "group"))
def _apr_p(
  key: jax.Array,
  images: jax.Array,
  prob: float,
  axes: Sequence[int],
  per_image: bool,
  positions: jax.Array | None,
  shard: int | jax.Array,
  group: DeviceGroup,
) -> jax.Array:
  partners = random_partners(key, images, prob, per_image, positions, shard, group)
  return swap_amplitudes(images, *partners, axes, group=group)


@functools.partial(jax.jit, static_argnames=("severity", "overflow", "axes"))
def _apr_s(
  key: jax.Array,
  images: jax.Array,
  severity: float,
  overflow: str,
  axes: Sequence[int],
  prob: float,
  positions: jax.Array | None,
) -> jax.Array:
  return recombine_views(
    keys.per_image(key, images, positions), images, severity, overflow, axes, prob
  )


def _recombine_views(views: Views, axes: Sequence[int], form: str | None) -> jax.Array:
  """Amplitude of the first view with phase of the second, or the reverse.

  Returns:
    float32 `[B, H, W, 3]`.
  """
  first, second = (
    spectrum.half_spectrum(view.astype(jnp.float32), axes, form)
    for view in (views.first, views.second)
  )
  amplitude_of = jnp.where(views.reverse, second, first)
  phase_of = jnp.where(views.reverse, first, second)
  return spectrum.from_half_spectrum(
    jnp.abs(amplitude_of), spectrum.phase_factor(phase_of), views.first.shape, axes, form
  )


def _check_batch(images: jax.Array, dtype: Any, wanted: str, channels: int | None = None) -> None:
  if (
    images.ndim != 4
    or not jnp.issubdtype(images.dtype, dtype)
    or channels not in (None, images.shape[-1])
  ):
    raise UserError(f"images must be {wanted}, got {images.dtype} {list(images.shape)}")

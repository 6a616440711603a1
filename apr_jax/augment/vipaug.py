"""VIPAug-G: Gaussian noise on the phase of images, little on the vital bins and more on the others.

It takes the place of APR-S and shares its operations and coins. Images are uint8. Which bins are
vital the amplitude says: the transform's plane of each channel is cut in blocks of 2×2 bins, and
the largest of each block is vital.

The noise of the release is not that of a real image, whose spectrum is its own mirror; it takes the
real part. `hermitian` draws mirrored noise instead.

Reference: Lee et al., Domain Generalization with Vital Phase Augmentation, AAAI 2024
(https://arxiv.org/abs/2312.16451), and the released code (https://github.com/excitedkid/vipaug).
Its other part, VIPAug-F, takes phases of pictures of fractals and is not here.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from apr_jax import keys, settings, spectrum
from apr_jax.augment import apr
from apr_jax.augment.method import Batch
from apr_jax.augment.two_views import two_views
from apr_jax.errors import UserError

_HWC = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class VipAug(apr.SingleImages):
  """VIPAug-G on the images, in place of APR-S."""

  vital: float = settings.setting(
    0.001,
    "variance of the noise on vital phases, in square radians; the release: 0.001, on CIFAR-100 "
    "0.005",
    settings.at_least(0),
  )
  other: float = settings.setting(
    0.014,
    "of that on the others; the release: 0.014 on CIFAR-10, 0.012 on CIFAR-100, 0.005 on ImageNet",
    settings.at_least(0),
  )
  hermitian: bool = settings.setting(
    False, "noise that is its own mirror, as that of a real image; the release: not so"
  )

  def __call__(self, batch: Batch) -> Batch:
    images = vipaug(
      batch.draw("vipaug"),
      batch.images,
      self.severity,
      self.overflow,
      self.vital,
      self.other,
      hermitian=self.hermitian,
      prob=self.prob,
      positions=batch.positions,
    )
    return batch.change(images=images)


def vipaug(
  key: jax.Array,
  images: jax.Array,
  severity: float = 3,
  overflow: str = "clip",
  vital: float = 0.001,
  other: float = 0.014,
  *,
  hermitian: bool = False,
  prob: float = 1.0,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Recombines amplitude and phase of two augmented views of each image, the phase with noise.

  The views are drawn as in `apr_s`: an operation gives the first, which with probability ½ is the
  result; else another on top of it gives the second. A fair coin decides whether they are
  recombined as in `apr_s` or with noise on the phase, and another which view gives the amplitude.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`, H and W even.
    severity: severity of the operations, above 0.1 and at most 10.
    overflow: how values outside 0..255 return to uint8, as in `apr_s`; the release wraps.
    vital, other: variances of the noise on vital phases and on the others, in square radians.
    hermitian: draw noise that is its own mirror; see `noisy_phase`.
    prob: probability, per image, of augmenting at all.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.

  Raises:
    UserError: another dtype or shape, or an option out of its range.

  Examples:
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> vipaug(jax.random.key(0), images).dtype.name
    'uint8'
  """
  apr.check_single(images, severity, overflow)
  _check_even(images.shape[1:3])
  return _vipaug(key, images, float(severity), overflow, vital, other, hermitian, prob, positions)


def vital_bins(amplitude: jax.Array) -> jax.Array:
  """The largest bin of each 2×2 block of each channel's plane; of equal ones the first.

  Args:
    amplitude: float `[H, W, C]`, the zero frequency at index 0; H and W even.

  Returns:
    bool `[H, W, C]`, true in a quarter of the bins.

  Raises:
    UserError: a side is odd.

  Examples:
    >>> vital_bins(jnp.array([[1.0, 2.0], [4.0, 3.0]])[..., None])[..., 0].tolist()
    [[False, False], [True, False]]
  """
  height, width, channels = amplitude.shape
  _check_even((height, width))
  blocks = amplitude.reshape(height // 2, 2, width // 2, 2, channels)
  blocks = jnp.moveaxis(blocks, 3, 2).reshape(height // 2, 4, width // 2, channels)
  largest = jax.nn.one_hot(blocks.argmax(1), 4, dtype=bool, axis=1)
  largest = largest.reshape(height // 2, 2, 2, width // 2, channels)
  return jnp.moveaxis(largest, 2, 3).reshape(height, width, channels)


def noisy_phase(
  key: jax.Array, spectrum: jax.Array, vital: float, other: float, *, hermitian: bool = False
) -> jax.Array:
  """The spectrum with Gaussian noise on its phase; the amplitude stays.

  Args:
    key: PRNG key.
    spectrum: complex64 `[H, W, C]`, of a transform over all axes; H and W even.
    vital, other: variances of the noise on vital bins and on the others, in square radians.
    hermitian: the noise of a bin is minus that of its mirror, so that the spectrum of a real image
      stays one; a bin is then vital if it or its mirror is.

  Returns:
    complex64 `[H, W, C]`.
  """
  chosen = vital_bins(jnp.abs(spectrum))
  noise = jax.random.normal(key, spectrum.shape)
  if hermitian:
    chosen |= _mirrored(chosen)
    noise = (noise - _mirrored(noise)) / jnp.sqrt(2.0)
  noise *= jnp.sqrt(jnp.where(chosen, vital, other))
  return spectrum * jax.lax.complex(jnp.cos(noise), jnp.sin(noise))


def _mirrored(values: jax.Array) -> jax.Array:
  """What stands at the opposite frequency."""
  return jnp.roll(jnp.flip(values, _HWC), (1, 1, 1), _HWC)


def _check_even(size: tuple[int, ...]) -> None:
  if any(side % 2 for side in size):
    raise UserError(
      f"VIPAug takes images of even height and width, got {size[0]}×{size[1]}; set "
      f"data.image_size, or switch augment.vipaug off"
    )


@functools.partial(jax.jit, static_argnames=("severity", "overflow", "hermitian"))
def _vipaug(
  key: jax.Array,
  images: jax.Array,
  severity: float,
  overflow: str,
  vital: float,
  other: float,
  hermitian: bool,
  prob: float,
  positions: jax.Array | None,
) -> jax.Array:
  image_keys = keys.per_image(key, images, positions)
  views = two_views(image_keys, images, severity, prob)
  amplitude_of, phase_of = (view.astype(jnp.float32) for view in views.in_order())

  def recombine(key: jax.Array, amplitude_of: jax.Array, phase_of: jax.Array) -> jax.Array:
    coin_key, noise_key = (keys.stream(key, f"vipaug_{name}") for name in ("coin", "noise"))
    amplitude = jnp.abs(jnp.fft.fftn(amplitude_of))
    plain = jnp.fft.fftn(phase_of)
    noisy = noisy_phase(noise_key, plain, vital, other, hermitian=hermitian)
    phase = jnp.where(jax.random.bernoulli(coin_key), noisy, plain)
    return jnp.fft.ifftn(amplitude * spectrum.phase_factor(phase)).real

  combined = jax.vmap(recombine)(image_keys, amplitude_of, phase_of)
  return views.result(images, apr.to_uint8(combined, overflow))

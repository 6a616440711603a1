"""Amplitude and phase of images, and their recombination (APR, Section 3).

For a real image x with discrete Fourier transform F, the amplitude is A = |F| and the phase P =
angle(F), so that F = A exp(iP). Recombination takes A from one image and P from another and
transforms back.

Images are float `[..., H, W, C]` of any value range; outputs are float32 and are not clipped.
`axes` are the axes of the transform: the default `(-3, -2, -1)` is the released code's transform
over height, width and channels; the paper's formulas are the per-channel transform, `(-3, -2)`.

Two facts make this fast. The spectrum of a real image is Hermitian, so half of it (a real FFT whose
last axis is the width) determines the rest. And exp(iP) is F/|F|, so no angle, sine or cosine is
ever taken.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487).
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from apr_jax import dft, forms
from apr_jax.errors import UserError

HWC = (-3, -2, -1)

# Where the width goes when the channels are moved in front of it: H, W, C = -3, -2, -1 become -2,
# -1, -3.
_AXIS_IN_CHW = {-3: -2, -2: -1, -1: -3}


def amplitude_phase(images: jax.Array, axes: Sequence[int] = HWC) -> tuple[jax.Array, jax.Array]:
  """Amplitude and phase of the discrete Fourier transform.

  Args:
    images: float `[..., H, W, C]`.
    axes: axes of the transform, from (-3, -2, -1).

  Returns:
    amplitude, float32 `[..., H, W, C]`, not negative, and phase, float32 of the same shape, in
    radians in (-π, π]; the zero frequency is at index 0 of each transformed axis. The phase of an
    empty bin is 0.

  Raises:
    UserError: the images are not float `[..., H, W, C]`, or an axis is none of them.

  Examples:
    >>> images = jnp.ones((2, 4, 4, 3))
    >>> amplitude, phase = amplitude_phase(images, axes=(-3, -2))
    >>> amplitude.shape, float(amplitude[0, 0, 0, 0])  # the zero frequency is the sum of the pixels
    ((2, 4, 4, 3), 16.0)
  """
  check_images(images)
  spectrum = jnp.fft.fftn(images.astype(jnp.float32), axes=_check_axes(axes))
  return jnp.abs(spectrum), jnp.angle(spectrum)


def recombine(amplitude_of: jax.Array, phase_of: jax.Array, axes: Sequence[int] = HWC) -> jax.Array:
  """The image with the amplitude of one image and the phase of another (APR, Equations 5 and 6).

  `Re iDFT(|DFT(amplitude_of)| · DFT(phase_of) / |DFT(phase_of)|)`, with factor 1 where
  `DFT(phase_of)` is zero.

  Gradients are stopped: the derivative of an angle does not exist at an empty bin, and APR is an
  augmentation.

  Args:
    amplitude_of: float `[..., H, W, C]`, the image that gives the amplitude.
    phase_of: float `[..., H, W, C]`, the image that gives the phase (and, in APR, the label).
    axes: axes of the transform, from (-3, -2, -1).

  Returns:
    float32 `[..., H, W, C]`, not clipped.

  Raises:
    UserError: as `amplitude_phase`.

  Examples:
    >>> x = jnp.linspace(0.0, 1.0, 4 * 4 * 3).reshape(4, 4, 3)
    >>> bool(jnp.allclose(recombine(x, x), x, atol=1e-5))
    True
  """
  check_images(amplitude_of)
  check_images(phase_of)
  return from_half_spectrum(
    jnp.abs(half_spectrum(amplitude_of, axes)),
    phase_factor(half_spectrum(phase_of, axes)),
    phase_of.shape,
    axes,
  )


def half_spectrum(
  images: jax.Array, axes: Sequence[int] = HWC, form: str | None = None
) -> jax.Array:
  """The non-redundant half of the spectrum of real images.

  Args:
    images: float `[..., H, W, C]`. Gradients are stopped here.
    axes: axes of the transform, from (-3, -2, -1).
    form: as in `forms.by_platform`.

  Returns:
    complex64 `[..., C, H, W']`; the last transformed axis n (the width, if transformed) has n // 2
    + 1 bins.

  Examples:
    >>> half_spectrum(jnp.ones((2, 8, 8, 3))).shape  # channels, height, half of the width
    (2, 3, 8, 5)
  """
  images = jax.lax.stop_gradient(jnp.moveaxis(images.astype(jnp.float32), -1, -3))
  chw_axes = _axes_in_chw(axes)

  def by_fft(images: jax.Array) -> jax.Array:
    return jnp.fft.rfftn(images, axes=chw_axes)

  if not dft.small(images.shape, chw_axes):
    return by_fft(images)
  return forms.by_platform(
    by_fft, functools.partial(dft.half_spectrum, axes=chw_axes), images, form=form
  )


def phase_factor(spectrum: jax.Array) -> jax.Array:
  """exp(i · angle(spectrum)) as spectrum / |spectrum|; 1 in empty bins. Complex64, the same
  shape.

  Examples:
    >>> phase_factor(jnp.array([2j, 0])).tolist()
    [1j, (1+0j)]
  """
  amplitude = jnp.abs(spectrum)
  empty = amplitude == 0
  # Two real quotients: a complex one by a complex number costs several times as much.
  divisor = jnp.where(empty, 1, amplitude)
  return jnp.where(empty, 1, jax.lax.complex(spectrum.real / divisor, spectrum.imag / divisor))


def from_half_spectrum(
  amplitude: jax.Array,
  phase: jax.Array,
  shape: Sequence[int],
  axes: Sequence[int] = HWC,
  form: str | None = None,
) -> jax.Array:
  """The real image of a half spectrum in the layout of `half_spectrum`.

  Args:
    amplitude: float32 `[..., C, H, W']`.
    phase: complex64 `[..., C, H, W']`, of modulus 1 (see `phase_factor`).
    shape: the shape `[..., H, W, C]` of the image; the half spectrum alone cannot tell odd sizes
      from even ones.
    axes: axes of the transform, from (-3, -2, -1).
    form: as in `forms.by_platform`.

  Returns:
    float32 `[..., H, W, C]`, not clipped.

  Examples:
    >>> image = jax.random.uniform(jax.random.key(0), (8, 8, 3))
    >>> half = half_spectrum(image)
    >>> back = from_half_spectrum(jnp.abs(half), phase_factor(half), image.shape)
    >>> bool(jnp.allclose(back, image, atol=1e-5))
    True
  """
  chw_axes = _axes_in_chw(axes)
  in_chw = (shape[-1], shape[-3], shape[-2])
  sizes = [in_chw[axis] for axis in chw_axes]

  def by_fft(half: jax.Array) -> jax.Array:
    return jnp.fft.irfftn(half, s=sizes, axes=chw_axes)

  half = amplitude * phase
  if dft.small(in_chw, chw_axes):
    by_products = functools.partial(dft.from_half_spectrum, axes=chw_axes, size=sizes[-1])
    image = forms.by_platform(by_fft, by_products, half, form=form)
  else:
    image = by_fft(half)
  return jnp.moveaxis(image, -3, -1)


def _axes_in_chw(axes: Sequence[int]) -> tuple[int, ...]:
  """The axes of the moved layout, ascending, so that the halved axis is the width wherever it is
  transformed.
  """
  return tuple(sorted(_AXIS_IN_CHW[axis] for axis in _check_axes(axes)))


def _check_axes(axes: Sequence[int]) -> tuple[int, ...]:
  axes = tuple(axes)
  if not axes or len(set(axes)) != len(axes) or not set(axes) <= set(HWC):
    raise UserError(f"axes must be distinct and from {HWC} (height, width, channels), got {axes}")
  return axes


def check_images(images: jax.Array) -> None:
  """Checks that images are float `[..., H, W, C]`.

  Raises:
    UserError: they are not.
  """
  if images.ndim < 3 or not jnp.issubdtype(images.dtype, jnp.floating):
    raise UserError(f"images must be float [..., H, W, C], got {images.dtype} {list(images.shape)}")

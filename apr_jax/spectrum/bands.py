"""Bands of the spectrum of images by their distance from the zero frequency, and recombination of
what is left of amplitude and phase in a band (APR, Section 3 and Figure 4).

The distance D is counted in bins, which are cycles per image. Low is D < r₁, middle r₁ ≤ D < r₂,
high D ≥ r₂, with (r₁, r₂) the `radii`. The paper publishes neither radii nor the shape of its
filters: the defaults, 8 and 16 with hard edges, are ours. At 32 pixels they leave 193, 600 and 231
of the 1024 bins.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487);
its filters are named after Li et al., TPAMI 2015, who use Butterworth's.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.errors import UserError, lookup, unknown
from apr_jax.spectrum.recombination import check_images

BANDS = ("low", "middle", "high")
ALL = "all"
"""The name of the whole spectrum, where a band can be named."""
SHAPES = ("hard", "butterworth")
FILLS: Mapping[str, float] = {"angle": 1.0, "phasor": 0.0}
"""{fill: the phase in radians of a bin outside the band}."""

_ORDER = 2  # of the Butterworth filter
_AXES = (-3, -2)  # the transform of the paper's formulas, over height and width


def band_masks(height: int, width: int, radii: Sequence[float] = (8, 16)) -> dict[str, np.ndarray]:
  """Which bins belong to each band; every bin belongs to one.

  Args:
    height, width: of the images in pixels.
    radii: where the middle band begins and where it ends, in bins from the zero frequency.

  Returns:
    {"low", "middle", "high"}: bool `[H, W]`, the zero frequency at [0, 0].

  Raises:
    UserError: the radii are not two growing numbers above 0.

  Examples:
    >>> masks = band_masks(32, 32)
    >>> {band: int(mask.sum()) for band, mask in masks.items()}
    {'low': 193, 'middle': 600, 'high': 231}
  """
  inner, outer = _check_radii(radii)
  distance = _distance(height, width)
  return {
    "low": distance < inner,
    "middle": (distance >= inner) & (distance < outer),
    "high": distance >= outer,
  }


def band_weights(
  height: int, width: int, radii: Sequence[float] = (8, 16), shape: str = "hard"
) -> dict[str, np.ndarray]:
  """The transfer function of each band; they sum to 1 in every bin.

  "hard" is `band_masks`. "butterworth" is the low-pass filter L_r = 1 / (1 + (D/r)⁴), of order 2:
  low is L_r₁, high is 1 − L_r₂, which is the high-pass filter, and middle L_r₂ − L_r₁.

  Args:
    height, width, radii: as in `band_masks`.
    shape: a name of `SHAPES`.

  Returns:
    {"all", "low", "middle", "high"}: float64 `[H, W]` in [0, 1], the zero frequency at [0, 0];
    "all" is 1.

  Raises:
    UserError: the radii are not two growing numbers above 0, or the shape is unknown.

  Examples:
    >>> weights = band_weights(32, 32, shape="butterworth")
    >>> bool(np.allclose(weights["low"] + weights["middle"] + weights["high"], 1))
    True
  """
  if shape not in SHAPES:
    raise UserError(unknown(shape, "shape of a band", SHAPES))
  if shape == "hard":
    weights = {
      band: mask.astype(np.float64) for band, mask in band_masks(height, width, radii).items()
    }
  else:
    distance = _distance(height, width)
    inner, outer = (1 / (1 + (distance / r) ** (2 * _ORDER)) for r in _check_radii(radii))
    weights = {"low": inner, "middle": outer - inner, "high": 1 - outer}
  return {ALL: np.ones((height, width)), **weights}


def band_recombine(
  amplitude_of: jax.Array,
  phase_of: jax.Array,
  amplitude_band: str = ALL,
  phase_band: str = ALL,
  *,
  radii: Sequence[float] = (8, 16),
  shape: str = "hard",
  fill: str = "angle",
) -> jax.Array:
  """The image with a band of the amplitude of one image and a band of the phase of another.

  `Re iDFT(T(H·A) · exp(i T(H'·P)))` per channel, where H and H' are the bands' transfer functions
  and T puts 1 where the filter leaves nothing (H = 0). Amplitudes are those of images in [0, 1]
  under the sum without a factor, as NumPy transforms, which gives the 1 its unit.

  Our reading, for the paper does not say: T acts where the filter takes a bin away, not where a bin
  of the image is zero by itself, and not on "all". A phase of 1 radian in all bins outside a band
  is not the phase of a real image; the imaginary part is dropped. With fill "phasor" the factor
  exp(iP) becomes 1 instead, the phase 0; with hard bands the result then is real by itself.

  Gradients are stopped, as in `recombine`.

  Args:
    amplitude_of, phase_of: float `[..., H, W, C]`; the axes before H are broadcast.
    amplitude_band, phase_band: "all" or a name of `BANDS`.
    radii, shape: of the bands, as in `band_weights`.
    fill: a name of `FILLS`.

  Returns:
    float32 `[..., H, W, C]`, not clipped.

  Raises:
    UserError: the images are not float `[..., H, W, C]` or of two sizes, or an option is unknown.

  Examples:
    >>> x = jnp.linspace(0.0, 1.0, 4 * 4 * 3).reshape(4, 4, 3)
    >>> bool(jnp.allclose(band_recombine(x, x), x, atol=1e-5))
    True
  """
  check_images(amplitude_of)
  check_images(phase_of)
  if amplitude_of.shape[-3:] != phase_of.shape[-3:]:
    raise UserError(
      f"both images must be of one size [H, W, C], got {list(amplitude_of.shape[-3:])} and "
      f"{list(phase_of.shape[-3:])}"
    )
  height, width, _ = phase_of.shape[-3:]
  weights = band_weights(height, width, radii, shape)
  amplitude_weight = lookup(weights, amplitude_band, "band of the amplitude")
  phase_weight = lookup(weights, phase_band, "band of the phase")
  phase_fill = lookup(FILLS, fill, "fill")
  amplitude = _filtered(jnp.abs(_transform(amplitude_of)), amplitude_weight, 1.0)
  phase = _filtered(jnp.angle(_transform(phase_of)), phase_weight, phase_fill)
  spectrum = jax.lax.complex(amplitude * jnp.cos(phase), amplitude * jnp.sin(phase))
  return jnp.fft.ifft2(spectrum, axes=_AXES).real


def rings(height: int, width: int) -> np.ndarray:
  """The ring of each bin: rings of width 1 from the zero frequency to Nyquist, and one for the
  corner.

  Ring i holds i ≤ D < i + 1; the corner, all D from half the shorter side on, is the last one. The
  zero frequency is alone in ring 0.

  Args:
    height, width: of the images in pixels.

  Returns:
    int32 `[H, W]`, the zero frequency at [0, 0]; 0 to 16 at 32 pixels.

  Examples:
    >>> rings(32, 32)[0, :4].tolist(), int(rings(32, 32).max())
    ([0, 1, 2, 3], 16)
  """
  corner = -(-min(height, width) // 2)
  return np.minimum(_distance(height, width).astype(np.int32), corner)


def _distance(height: int, width: int) -> np.ndarray:
  """From the zero frequency, in bins; float64 `[H, W]`."""
  rows, columns = ((np.arange(size) + size // 2) % size - size // 2 for size in (height, width))
  return np.sqrt(rows[:, None] ** 2 + columns**2)


def _check_radii(radii: Sequence[float]) -> tuple[float, float]:
  radii = tuple(radii)
  if len(radii) != 2 or not 0 < radii[0] < radii[1]:
    raise UserError(f"radii must be two growing numbers above 0, in bins, got {radii}")
  return radii


def _transform(images: jax.Array) -> jax.Array:
  return jnp.fft.fft2(jax.lax.stop_gradient(images.astype(jnp.float32)), axes=_AXES)


def _filtered(values: jax.Array, weight: np.ndarray, fill: float) -> jax.Array:
  """Values `[..., H, W, C]` times the weight `[H, W]`, and `fill` where that is zero."""
  weight = weight[..., None]
  return jnp.where(weight == 0, fill, values * weight.astype(np.float32))

"""Frequencies of convolution filters: their spectra, three bands of equal area, and the basis of
the discrete cosine transform.

A kernel is real numbers `[k, k, C, O]`: O filters of C input channels. A filter's power spectrum is
the sum over its channels of |F|², with F the transform of its k × k numbers padded by zeros to 32 ×
32. A frequency's radius is ρ = √(f_u² + f_v²) in units of Nyquist, from 0 to √2. Low is ρ ≤ 0.65,
middle 0.65 < ρ ≤ 0.92, high ρ > 0.92: shares of 0.333, 0.324 and 0.343 of the bins, so that white
noise has about a third of its power in each.

These definitions are ours. The question is that of Jia, Bao and Ma
(https://arxiv.org/abs/1911.12044), of which only the abstract is public.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from apr_jax.errors import UserError

BANDS = ("low", "middle", "high")
EDGES = (0.65, 0.92)
"""Radii at which the low and the middle band end, in units of Nyquist."""
RINGS = 16
"""Rings of `radial_profile`, of equal width from 0 to √2."""
SIZE = 32
"""Rows and columns of the spectra."""

_SILENT = 1e-6  # of a filter's largest number: what is left below is rounding


class Proportion(NamedTuple):
  """How the filters of a layer are spread over the three bands; float32 `[3]` each, sums 1.

  Filters that are zero everywhere are left out.

  Attributes:
    classes: the part of the filters whose largest share is in each band.
    mean_shares: the mean over the filters of their shares.
    weighted_shares: the same weighted by the filters' energy times their gain.

  Examples:
    >>> proportion(np.ones((3, 3, 1, 2))).classes.tolist()  # two blurs: all low
    [1.0, 0.0, 0.0]
  """

  classes: jax.Array
  mean_shares: jax.Array
  weighted_shares: jax.Array


class Baseline(NamedTuple):
  """What filters of white noise measure.

  Attributes:
    classes, mean_shares: as in `Proportion`; float64 `[3]`.
    share_std: of the shares over the filters, float64 `[3]`; of the mean over a layer of O filters
      it is the √O-th part.
    centroid_mean, centroid_std: over the filters, in units of Nyquist.

  Examples:
    >>> white_baseline(3, 3, count=100).classes.shape
    (3,)
  """

  classes: np.ndarray
  mean_shares: np.ndarray
  share_std: np.ndarray
  centroid_mean: float
  centroid_std: float


def radii() -> np.ndarray:
  """The radius ρ of each bin of a spectrum in units of Nyquist, float64 `[32, 32]`, the zero
  frequency at [0, 0].

  Examples:
    >>> radii()[0, 0].item(), radii()[0, 16].item()  # the constant, and Nyquist along one axis
    (0.0, 1.0)
  """
  along = 2 * np.fft.fftfreq(SIZE)
  return np.hypot(along[:, None], along)


def bands() -> np.ndarray:
  """The band of each bin of a spectrum, int `[32, 32]`: 0 low, 1 middle, 2 high.

  Examples:
    >>> bands()[0, 0].item(), bands()[16, 16].item()
    (0, 2)
  """
  return _band_of(radii())


@jax.jit
def power_spectra(kernel: ArrayLike) -> jax.Array:
  """The power spectrum of each filter.

  Args:
    kernel: `[k, k, C, O]`, k at most 32.

  Returns:
    float32 `[O, 32, 32]`, the zero frequency at [0, 0]. Its sum is 1024 times that of the filter's
    squares.

  Raises:
    UserError: the kernel has another shape.

  Examples:
    >>> power_spectra(np.ones((1, 1, 1, 1)))[0, :2, :2].tolist()  # one pixel is white
    [[1.0, 1.0], [1.0, 1.0]]
  """
  kernel = _checked(kernel)
  spectra = jnp.fft.fft2(jnp.moveaxis(kernel, (3, 2), (0, 1)), s=(SIZE, SIZE))
  # Not the square of the absolute value, whose derivative does not exist at zero.
  return (jnp.square(spectra.real) + jnp.square(spectra.imag)).sum(1)


@functools.partial(jax.jit, static_argnames="constant")
def band_shares(kernel: ArrayLike, *, constant: bool = True) -> jax.Array:
  """The part of each filter's power that lies in each band; differentiable.

  Args:
    kernel: `[k, k, C, O]`, k at most 32.
    constant: count the constant part of the filters, which is low. False takes from each filter and
      channel its mean first: that mean is what tells a blob from an edge.

  Returns:
    float32 `[O, 3]`, low, middle, high, which sum to 1; 0 for a filter that is zero everywhere.

  Raises:
    UserError: the kernel has another shape.

  Examples:
    >>> band_shares(np.ones((3, 3, 1, 1))).argmax().item()  # a blur is low
    0
  """
  return _summed(_relative_power(kernel, constant), np.eye(len(BANDS))[bands()])


@functools.partial(jax.jit, static_argnames="constant")
def centroids(kernel: ArrayLike, *, constant: bool = True) -> jax.Array:
  """The mean radius of each filter's power, Σ ρ S / Σ S; differentiable.

  Args:
    kernel, constant: as in `band_shares`.

  Returns:
    float32 `[O]` in units of Nyquist, from 0 to √2; 0 for a filter that is zero everywhere.

  Raises:
    UserError: the kernel has another shape.

  Examples:
    >>> blur, edge = np.ones((3, 3)), np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    >>> low, high = centroids(np.stack([blur, edge], -1)[:, :, None])
    >>> bool(low < high)
    True
  """
  return _summed(_relative_power(kernel, constant), radii()[..., None])[:, 0]


@functools.partial(jax.jit, static_argnames="constant")
def radial_profile(kernel: ArrayLike, *, constant: bool = True) -> jax.Array:
  """The mean power of the bins in each of 16 rings, relative to that of all bins.

  Ring i holds i ≤ 16 ρ / √2 < i + 1, and the last one also the corner itself.

  Args:
    kernel, constant: as in `band_shares`.

  Returns:
    float32 `[O, 16]`; of white noise 1 on average in each ring, of a filter that is zero everywhere
    0.

  Raises:
    UserError: the kernel has another shape.

  Examples:
    >>> profile = radial_profile(np.ones((1, 1, 1, 1)))  # one pixel is white
    >>> profile.shape, bool(jnp.allclose(profile, 1, atol=1e-4))
    ((1, 16), True)
  """
  inside = np.eye(RINGS)[_rings()]
  return _summed(_relative_power(kernel, constant), inside / inside.mean((0, 1)))


@functools.partial(jax.jit, static_argnames="constant")
def proportion(
  kernel: ArrayLike, gain: ArrayLike | None = None, *, constant: bool = True
) -> Proportion:
  """The frequency proportion of a layer, in three senses.

  Args:
    kernel, constant: as in `band_shares`.
    gain: float `[O]`, by which what follows multiplies the power of each filter's output. Batch
      normalisation takes away a filter's own scale: its gain is scale² / (variance + ε). None: 1.

  Returns:
    the proportion; 0 in all of it if every filter is zero everywhere.

  Raises:
    UserError: the kernel or the gain has another shape.

  Examples:
    >>> proportion(np.ones((3, 3, 1, 4))).mean_shares.argmax().item()  # blurs are low
    0
  """
  kernel = _checked(kernel)
  if gain is not None and jnp.shape(gain) != kernel.shape[3:]:
    raise UserError(
      f"the gain must be one number per filter, [{kernel.shape[3]}], got {list(jnp.shape(gain))}"
    )
  shares = band_shares(kernel, constant=constant)
  heard = shares.sum(1) > 0
  energy = jnp.square(kernel).sum((0, 1, 2)) * (1.0 if gain is None else gain)
  classes = jax.nn.one_hot(shares.argmax(1), len(BANDS))
  return Proportion(
    classes=_mean(classes, heard.astype(jnp.float32)),
    mean_shares=_mean(shares, heard.astype(jnp.float32)),
    weighted_shares=_mean(shares, jnp.where(heard, energy, 0)),
  )


def white_baseline(
  k: int, channels: int, *, constant: bool = True, count: int = 4000, seed: int = 0
) -> Baseline:
  """What independent Gaussian filters measure: the neutral values beside which a layer's are read.

  The classes are not a third each even then, for the middle ring is narrow.

  Args:
    k: rows and columns of the kernel, 1 to 32.
    channels: of the input, C.
    constant: as in `band_shares`.
    count: filters that are drawn.
    seed: of the draw.

  Raises:
    UserError: k is not 1 to 32, there are no channels, or nothing is left of the filters, as of 1
      × 1 without their constant.

  Examples:
    >>> white = white_baseline(3, 3, count=500)
    >>> bool(abs(white.mean_shares.sum() - 1) < 1e-5)
    True
  """
  _checked(np.zeros((k, k, channels, 1), np.float32))
  random = np.random.default_rng(seed)
  at_once = max(1, 6000 // channels)  # filters, whose spectra are held
  shares, centres = [], []
  for start in range(0, count, at_once):
    drawn = random.standard_normal((k, k, channels, min(at_once, count - start)), np.float32)
    shares.append(np.asarray(band_shares(drawn, constant=constant), np.float64))
    centres.append(np.asarray(centroids(drawn, constant=constant), np.float64))
  all_shares, all_centres = np.concatenate(shares), np.concatenate(centres)
  if not all_shares.any():
    raise UserError(f"nothing is left of {k} × {k} filters without their constant")
  classes = np.bincount(all_shares.argmax(1), minlength=len(BANDS)) / count
  return Baseline(
    classes=classes,
    mean_shares=all_shares.mean(0),
    share_std=all_shares.std(0),
    centroid_mean=float(all_centres.mean()),
    centroid_std=float(all_centres.std()),
  )


def dct_basis(k: int) -> np.ndarray:
  """The orthonormal basis of the two-dimensional discrete cosine transform (DCT-II).

  basis[u, v, y, x] = c_u c_v cos(π(2y + 1)u / 2k) cos(π(2x + 1)v / 2k), with c_0 = √(1/k) and else
  √(2/k).

  Args:
    k: rows and columns of the kernel, above 0.

  Returns:
    float32 `[k, k, k, k]`: frequency down, frequency right, row, column.

  Raises:
    UserError: k is not above 0.

  Examples:
    >>> basis = dct_basis(3).reshape(9, 9)
    >>> bool(np.allclose(basis @ basis.T, np.eye(9), atol=1e-6))
    True
  """
  return _dct_basis(k).astype(np.float32)


def dct_centroids(k: int) -> np.ndarray:
  """The centroid of each function of `dct_basis(k)`, as that of a filter.

  Args:
    k: rows and columns of the kernel, 1 to 32.

  Returns:
    float64 `[k, k]`, frequency down and frequency right, in units of Nyquist.

  Raises:
    UserError: k is not 1 to 32.

  Examples:
    >>> centres = dct_centroids(3)
    >>> centres.argmin().item(), centres.argmax().item()  # of the constant and of the checks
    (0, 8)
  """
  # In NumPy, so that layers may ask while they are traced.
  power = np.square(np.abs(np.fft.fft2(_dct_basis(k), s=(SIZE, SIZE))))
  return (power * radii()).sum((2, 3)) / power.sum((2, 3))


def dct_bands(k: int) -> np.ndarray:
  """The band of each function of `dct_basis(k)`: that of its centroid.

  Args:
    k: rows and columns of the kernel, 1 to 32.

  Returns:
    int `[k, k]`, frequency down and frequency right: 0 low, 1 middle, 2 high.

  Raises:
    UserError: k is not 1 to 32.

  Examples:
    >>> dct_bands(3)[0, 0].item(), dct_bands(3)[2, 2].item()
    (0, 2)
  """
  return _band_of(dct_centroids(k))


@functools.lru_cache
def _dct_basis(k: int) -> np.ndarray:
  if not 1 <= k <= SIZE:
    raise UserError(f"a kernel has 1 to {SIZE} rows, got {k}")
  places = np.arange(k)
  waves = np.cos(math.pi * np.outer(places, 2 * places + 1) / (2 * k))
  waves *= np.sqrt(np.where(places == 0, 1, 2) / k)[:, None]
  return np.einsum("uy,vx->uvyx", waves, waves)


def _band_of(radius: np.ndarray) -> np.ndarray:
  return np.digitize(radius, EDGES, right=True)


def _rings() -> np.ndarray:
  """The ring of each bin, int `[32, 32]`."""
  # 16 ρ / √2 in whole numbers under the root, so that no rounding moves a bin of the diagonal.
  along = np.rint(np.fft.fftfreq(SIZE, 1 / SIZE))
  place = np.sqrt((along[:, None] ** 2 + along**2) / 2) * RINGS / (SIZE // 2)
  return np.minimum(place.astype(int), RINGS - 1)


def _checked(kernel: ArrayLike) -> jax.Array:
  kernel = jnp.asarray(kernel)
  shape = kernel.shape
  if len(shape) != 4 or shape[0] != shape[1] or not 1 <= shape[0] <= SIZE or not shape[2]:
    raise UserError(
      f"a kernel must be real numbers [k, k, C, O] with k at most {SIZE}, got {kernel.dtype} "
      f"{list(shape)}"
    )
  return kernel.astype(jnp.float32)


def _relative_power(kernel: ArrayLike, constant: bool) -> jax.Array:
  """The power spectra `[O, 32, 32]` divided by their sums; 0 for a filter that is zero."""
  kernel = _checked(kernel)
  largest = jnp.abs(kernel).max((0, 1, 2))
  if not constant:
    kernel = kernel - kernel.mean((0, 1), keepdims=True)
  # Shares do not depend on the scale, which is taken away first: squares of small numbers vanish.
  scale = jax.lax.stop_gradient(jnp.abs(kernel).max((0, 1, 2)))
  heard = scale > _SILENT * jax.lax.stop_gradient(largest)
  power = power_spectra(kernel / jnp.where(heard, scale, 1))
  total = jnp.where(heard, power.sum((1, 2)), 1)
  return jnp.where(heard, 1, 0)[:, None, None] * power / total[:, None, None]


def _summed(power: jax.Array, weights: np.ndarray) -> jax.Array:
  """Σ over the bins of power `[O, 32, 32]` times weights `[32, 32, n]` → `[O, n]`."""
  return jnp.einsum("ouv,uvn->on", power, weights.astype(np.float32), precision="highest")


def _mean(values: jax.Array, weights: jax.Array) -> jax.Array:
  """The mean over filters of values `[O, 3]`; 0 where no filter has a weight."""
  total = weights.sum()
  return (values * weights[:, None]).sum(0) / jnp.where(total > 0, total, 1)

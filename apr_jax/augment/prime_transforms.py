"""The three transforms of PRIME: a diffeomorphism, a curve of colours, and a small filter.

Images are float `[H, W, C]` in [0, 1]. Each transform is a function of what is drawn for it, and at
strength 0 the identity; `random_transform` draws one of the three.

Reference: Modas et al., PRIME, ECCV 2022 (https://arxiv.org/abs/2112.13547), Section 3, and the
released code (https://github.com/amodas/PRIME-augmentations); Petrini et al., NeurIPS 2021
(https://arxiv.org/abs/2105.02468), for the diffeomorphisms.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import dft, forms

_LEAST_CUT = 2
_LEAST_LARGEST_CUT = 3
_LARGEST_TABLE = 1 << 20  # numbers in the table of all cuts
_STEPS_PER_HALF_WAVE = 16  # of the table of a curve of colours, in its fastest wave


class Ranges(NamedTuple):
  """What is drawn; the defaults are those of the release for CIFAR.

  Attributes:
    cut: largest frequency of a diffeomorphism, in half waves per side, at least 3.
    colours: largest frequency of a curve of colours, in half waves over [0, 1].
    colour_strength: largest variance of the coefficient of one of its frequencies.
    colour_band: most frequencies that it has, neighbours; 0 = all.
    sigma: largest standard deviation of a filter's weights.
    corner: whether a filter's identity stands in its corner, as released, and not in its centre.
  """

  cut: int = 100
  colours: int = 100
  colour_strength: float = 0.01
  colour_band: int = 0
  sigma: float = 4.0
  corner: bool = False


RELEASED = Ranges()


def random_transform(
  key: jax.Array, image: jax.Array, ranges: Ranges, form: str | None = None
) -> jax.Array:
  """One of the three transforms, drawn uniformly; float32 `[H, W, C]` → the same, in [0, 1].

  Args:
    key: PRNG key.
    image: float32 `[H, W, C]`, in [0, 1].
    ranges: of what is drawn.
    form: as in `forms.by_platform`.
  """
  which_key, *transform_keys = jax.random.split(key, 4)
  moved = random_diffeomorphism(transform_keys[0], image, ranges, form)
  bent = random_colours(transform_keys[1], image, ranges, form)
  mixed = random_filter(transform_keys[2], image, ranges)
  which = jax.random.randint(which_key, (), 0, 3)
  return jnp.where(which == 0, moved, jnp.where(which == 1, bent, mixed))


def random_diffeomorphism(
  key: jax.Array, image: jax.Array, ranges: Ranges, form: str | None = None
) -> jax.Array:
  """`diffeomorphism` with a drawn cut, temperature and field.

  The cut is ⌊b·(c + 1 − 2) + 2⌋ with b ~ Beta(½, ½) and c uniform in 3..`ranges.cut`. The
  temperature lies, at a share of Beta(½, ½), between 1/(π n² ln cut), for sides of n pixels, and
  4/(π³ cut² ln cut) where that is more.
  """
  largest_key, cut_key, share_key, field_key = jax.random.split(key, 4)
  largest = jax.random.randint(largest_key, (), _LEAST_LARGEST_CUT, ranges.cut + 1)
  cut = jnp.floor(_arcsine(cut_key) * (largest + 1 - _LEAST_CUT) + _LEAST_CUT)
  cut = jnp.minimum(cut, largest)
  height, width, _ = image.shape
  low = 1 / (math.pi * max(height, width) ** 2 * jnp.log(cut))
  high = jnp.maximum(low, 4 / (math.pi**3 * cut**2 * jnp.log(cut)))
  temperature = low + (high - low) * _arcsine(share_key)
  deviations = field_deviations(cut, ranges.cut, height, width, form)
  drawn = jax.random.normal(field_key, (2, *deviations.shape))
  return diffeomorphism(image, deviations * drawn, temperature, form)


def field_deviations(
  cut: float | jax.Array, largest: int, height: int, width: int, form: str | None = None
) -> jax.Array:
  """How large the waves of a displacement are: standard deviations of their coefficients.

  PRIME's coefficients are c_ij/r with c_ij from N(0, 1), for all i, j ≥ 1 up to `largest` with r =
  √(i² + j²) < cut + ½. On n pixels, whose first and last are at 0 and 1, sin(πix) is ± one of the
  n − 2 waves below n − 1: the variances of those that are the same there are added, and so few
  numbers need to be drawn.

  Args:
    cut: largest radius, in half waves per side, a whole number in 2..`largest`.
    largest: largest frequency.
    height, width: in pixels.
    form: as in `forms.by_platform`. "index" reads a table of all cuts, and is for small images.

  Returns:
    float32 `[height − 2, width − 2]`, of the frequencies from 1 on along rows and columns.
  """

  def by_index(cut: jax.Array) -> jax.Array:
    return jnp.asarray(_deviations_of_cuts(largest, height, width))[
      cut.astype(jnp.int32) - _LEAST_CUT
    ]

  def by_product(cut: jax.Array) -> jax.Array:
    radius, down, across = _radii_and_foldings(largest, height, width)
    variances = jnp.where(radius < cut + 0.5, (1 / radius**2).astype(np.float32), 0)
    exact = jax.lax.Precision.HIGHEST
    summed = jnp.matmul(jnp.matmul(down, variances, precision=exact), across.T, precision=exact)
    return jnp.sqrt(summed)

  cut = jnp.asarray(cut)
  if largest * height * width > _LARGEST_TABLE:
    return by_product(cut)
  return forms.by_platform(by_index, by_product, cut, form=form)


def diffeomorphism(
  image: jax.Array,
  coefficients: jax.Array,
  temperature: float | jax.Array,
  form: str | None = None,
) -> jax.Array:
  """Reads the image at displaced places, bilinearly; what lies outside of it is its edge.

  The displacement along each axis, in sides of the image, is √T·Σ_ij c_ij sin(πiy) sin(πjx), for y
  and x from 0 at the first row and column to 1 at the last. It vanishes at the borders.

  Args:
    image: float32 `[H, W, C]`.
    coefficients: c of the displacements along x and along y, float `[2, n, m]`; frequencies from 1
      on along rows and columns.
    temperature: T.
    form: as in `forms.by_platform`.

  Returns:
    float32 `[H, W, C]`, within the range of the image.
  """
  height, width, _ = image.shape
  down, across = (
    np.sin(np.pi * np.outer(np.arange(1, count + 1), np.linspace(0, 1, size))).astype(np.float32)
    for count, size in zip(coefficients.shape[1:], (height, width))
  )
  exact = jax.lax.Precision.HIGHEST
  field = jnp.matmul(down.T, jnp.matmul(coefficients, across, precision=exact), precision=exact)
  moved = jnp.sqrt(temperature) * field
  rows, columns = jnp.arange(height)[:, None], jnp.arange(width)
  x = jnp.clip(columns + width * moved[0], 0, width - 1)
  y = jnp.clip(rows + height * moved[1], 0, height - 1)
  if not dft.small(image.shape, (0, 1)):  # the product would be larger than what it saves
    return _read_by_index(image, x, y)
  return forms.by_platform(_read_by_index, _read_by_product, image, x, y, form=form)


def random_colours(
  key: jax.Array, image: jax.Array, ranges: Ranges, form: str | None = None
) -> jax.Array:
  """`colours` with K uniform in 1..`ranges.colours`, a variance uniform up to
  `ranges.colour_strength`, and, of a band, its first frequency uniform in 1..K.
  """
  largest_key, strength_key, start_key, values_key = jax.random.split(key, 4)
  largest = jax.random.randint(largest_key, (), 1, ranges.colours + 1)
  strength = ranges.colour_strength * jax.random.uniform(strength_key)
  frequencies = np.arange(1, ranges.colours + 1)
  inside = frequencies <= largest
  if ranges.colour_band:
    start = jax.random.randint(start_key, (), 1, largest + 1)
    inside &= (frequencies >= start) & (frequencies < start + ranges.colour_band)
  drawn = jax.random.normal(values_key, (image.shape[-1], ranges.colours))
  return colours(image, jnp.sqrt(strength) * jnp.where(inside, drawn, 0), form)


def colours(image: jax.Array, coefficients: jax.Array, form: str | None = None) -> jax.Array:
  """Bends the values of each channel: c → c + Σ_k β_k sin(πkc), clipped.

  Black and white stay.

  Args:
    image: float32 `[H, W, C]`, in [0, 1].
    coefficients: β, float32 `[C, K]`.
    form: as in `forms.by_platform`. "index" looks the curve up in a table, between whose entries it
      is straight; it is off by at most half a hundredth of the coefficients' sum.

  Returns:
    float32 `[H, W, C]`, in [0, 1].
  """

  def by_index(image: jax.Array, coefficients: jax.Array) -> jax.Array:
    count = coefficients.shape[-1]
    steps = _STEPS_PER_HALF_WAVE * count
    waves = np.sin(np.pi * np.outer(np.arange(1, count + 1), np.arange(steps + 1) / steps))
    table = jnp.matmul(coefficients, waves.astype(np.float32), precision=jax.lax.Precision.HIGHEST)
    place = image * steps
    below = jnp.clip(jnp.floor(place), 0, steps - 1)
    channel = jnp.arange(image.shape[-1])
    lower, upper = (table[channel, below.astype(jnp.int32) + above] for above in (0, 1))
    return lower + (place - below) * (upper - lower)

  def by_product(image: jax.Array, coefficients: jax.Array) -> jax.Array:
    # Clenshaw's recurrence: sin((k + 1)θ) = 2·cos θ·sin(kθ) − sin((k − 1)θ).
    double = 2 * jnp.cos(jnp.pi * image)

    def add(
      sums: tuple[jax.Array, jax.Array], beta: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
      return (beta + double * sums[0] - sums[1], sums[0]), None

    start = jnp.zeros_like(image), jnp.zeros_like(image)
    (total, _), _ = jax.lax.scan(add, start, coefficients.T, reverse=True)
    return jnp.sin(jnp.pi * image) * total

  bend = forms.by_platform(by_index, by_product, image, coefficients, form=form)
  return jnp.clip(image + bend, 0, 1)


def random_filter(key: jax.Array, image: jax.Array, ranges: Ranges) -> jax.Array:
  """`filtered` with weights from N(0, σ²) beside the identity, σ uniform up to `ranges.sigma`."""
  sigma_key, weights_key = jax.random.split(key)
  sigma = ranges.sigma * jax.random.uniform(sigma_key)
  return filtered(image, sigma * jax.random.normal(weights_key, (3, 3)), corner=ranges.corner)


def filtered(image: jax.Array, weights: jax.Array, *, corner: bool = False) -> jax.Array:
  """The image correlated with the identity plus the weights, the same for all channels, clipped.

  Args:
    image: float32 `[H, W, C]`; around it is 0.
    weights: float `[3, 3]`.
    corner: the identity stands in the bottom right corner of the filter, as released, and not in
      its centre.

  Returns:
    float32 `[H, W, C]`, in [0, 1].
  """
  height, width, _ = image.shape
  identity = np.zeros((3, 3), np.float32)
  identity[(2, 2) if corner else (1, 1)] = 1
  kernel = weights + identity
  padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
  shifted = (
    kernel[row, column] * padded[row : row + height, column : column + width]
    for row in range(3)
    for column in range(3)
  )
  return jnp.clip(functools.reduce(jnp.add, shifted), 0, 1)


def _radii_and_foldings(
  largest: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Of the frequencies up to `largest`: the radius of each pair, float32, and `_folding` along both
  axes.
  """
  frequencies = np.arange(1, largest + 1)
  radius = np.hypot(frequencies[:, None], frequencies).astype(np.float32)
  return radius, _folding(frequencies, height), _folding(frequencies, width)


@functools.cache
def _deviations_of_cuts(largest: int, height: int, width: int) -> np.ndarray:
  """`field_deviations` of all cuts, float32 `[largest − 1, height − 2, width − 2]`."""
  radius, down, across = _radii_and_foldings(largest, height, width)
  # One by one: the variances of all cuts at once can take gigabytes.
  of_cuts = (
    down @ np.where(radius < cut + 0.5, 1 / radius**2, 0) @ across.T
    for cut in range(_LEAST_CUT, largest + 1)
  )
  return np.sqrt(np.stack(list(of_cuts)))


def _folding(frequencies: np.ndarray, size: int) -> np.ndarray:
  """1 where a frequency is ± that of the row on `size` pixels, float32 `[size − 2, n]`; those that
  vanish on them are in no row.
  """
  period = 2 * (size - 1)
  rest = frequencies % period
  return (np.minimum(rest, period - rest) == np.arange(1, size - 1)[:, None]).astype(np.float32)


def _arcsine(key: jax.Array) -> jax.Array:
  """A number from Beta(½, ½), by the inverse of its distribution function."""
  return jnp.square(jnp.sin(jnp.pi / 2 * jax.random.uniform(key)))


def _read_by_index(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
  height, width, _ = image.shape
  left, top = (
    jnp.clip(jnp.floor(place), 0, max(size - 2, 0)).astype(jnp.int32)
    for place, size in ((x, width), (y, height))
  )
  right_weight, bottom_weight = (x - left)[..., None], (y - top)[..., None]
  rows = [
    image[row, left] + right_weight * (image[row, left + 1] - image[row, left])
    for row in (top, top + 1)
  ]
  return rows[0] + bottom_weight * (rows[1] - rows[0])


def _read_by_product(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
  height, width, _ = image.shape

  def hats(places: jax.Array, size: int) -> jax.Array:
    """The weight of each row, or column, in what is read, `[H, W, size]`."""
    return jnp.maximum(1 - jnp.abs(places[..., None] - jnp.arange(size)), 0)

  exact = jax.lax.Precision.HIGHEST
  of_columns = jnp.tensordot(hats(x, width), image, ((2,), (1,)), precision=exact)
  return jnp.sum(hats(y, height)[..., None] * of_columns, axis=2)

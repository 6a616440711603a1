"""Frequencies of filters against float64 NumPy, and the values computed for the project."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from apr_jax import filters
from apr_jax.errors import UserError

RANDOM = np.random.default_rng(0)

# {k: bands of the basis functions}, and what class-pure Gaussian filters measure
BANDS = {
  3: "001 012 122",
  5: "00011 00012 00112 11122 12222",
  7: "0000011 0000112 0000112 0001112 0111122 1111222 1222222",
}
COUNTS = {3: (3, 3, 3), 5: (8, 9, 8), 7: (17, 18, 14)}
PURE = {
  3: ((0.73, 0.20, 0.06), (0.22, 0.50, 0.28), (0.04, 0.27, 0.69)),
  5: ((0.79, 0.14, 0.06), (0.21, 0.56, 0.22), (0.01, 0.24, 0.76)),
  7: ((0.81, 0.15, 0.05), (0.15, 0.62, 0.23), (0.00, 0.16, 0.84)),
}
# {k: mean shares, classes, centroid and its deviation} of white filters of 3 channels
WHITE = {
  3: ((0.331, 0.324, 0.345), (0.39, 0.19, 0.42), 0.767, 0.060),
  5: ((0.333, 0.324, 0.343), (0.35, 0.23, 0.42), 0.766, 0.040),
  7: ((0.333, 0.324, 0.343), (0.35, 0.22, 0.42), 0.766, 0.030),
}


def radius():
  along = np.fft.fftfreq(32) * 2
  return np.hypot(along[:, None], along)


def power_float64(kernel):
  """Term by term from the definition of the transform, for each filter; [O, 32, 32]."""
  k, _, channels, count = kernel.shape
  wave = np.exp(-2j * np.pi * np.outer(np.arange(32), np.arange(k)) / 32)
  power = np.zeros((count, 32, 32))
  for filter_ in range(count):
    for channel in range(channels):
      power[filter_] += np.abs(wave @ kernel[:, :, channel, filter_].astype(float) @ wave.T) ** 2
  return power


def kernel_of(k, channels=3, count=6):
  return RANDOM.standard_normal((k, k, channels, count)).astype(np.float32)


@pytest.mark.parametrize("k, channels", [(1, 2), (3, 3), (4, 1), (7, 3), (32, 1)])
@pytest.mark.parametrize("constant", [True, False])
def test_measures_equal_float64(k, channels, constant):
  kernel = kernel_of(k, channels)
  if k == 1 and not constant:
    return  # nothing is left of it; see the filters that are zero
  rest = kernel if constant else kernel - kernel.astype(float).mean((0, 1))
  power = power_float64(rest)
  if constant:
    np.testing.assert_allclose(filters.power_spectra(kernel), power, rtol=1e-4, atol=1e-3)
  total = power.sum((1, 2))
  rho = radius()
  masks = [rho <= 0.65, (rho > 0.65) & (rho <= 0.92), rho > 0.92]
  shares = np.stack([(power * mask).sum((1, 2)) / total for mask in masks], 1)
  found = filters.band_shares(kernel, constant=constant)
  assert found.dtype == jnp.float32 and found.shape == (6, 3)
  np.testing.assert_allclose(found, shares, atol=1e-5)
  np.testing.assert_allclose(
    filters.centroids(kernel, constant=constant),
    (power * rho).sum((1, 2)) / total,
    atol=1e-5,
  )
  ring = np.minimum(np.floor(rho * 16 / np.sqrt(2) + 1e-9), 15)
  profile = [power[:, ring == each].mean(1) / power.mean((1, 2)) for each in range(filters.RINGS)]
  np.testing.assert_allclose(
    filters.radial_profile(kernel, constant=constant), np.stack(profile, 1), rtol=1e-4, atol=1e-5
  )


def test_the_bands_have_equal_areas():
  shares = np.bincount(filters.bands().ravel()) / 1024
  assert shares == pytest.approx([0.333, 0.324, 0.343], abs=5e-4)
  np.testing.assert_array_equal(
    filters.bands(), np.select([radius() <= 0.65, radius() <= 0.92], [0, 1], 2)
  )
  assert filters.radii().max() == pytest.approx(np.sqrt(2))


def test_a_single_number_is_white():
  """The spectrum of a 1 × 1 kernel is flat: the shares are the areas, and each ring is 1."""
  found = filters.band_shares(np.full((1, 1, 3, 2), -4.0))
  np.testing.assert_allclose(found, [[341 / 1024, 332 / 1024, 351 / 1024]] * 2, atol=1e-6)
  np.testing.assert_allclose(filters.radial_profile(np.ones((1, 1, 3, 2))), 1, atol=1e-5)


def test_by_hand_a_blur_is_low_and_a_chessboard_high():
  blur, chessboard = np.ones((3, 3)), (-1.0) ** np.add.outer(np.arange(3), np.arange(3))
  kernel = np.stack([blur, chessboard], -1)[:, :, None]
  shares = filters.band_shares(kernel)
  assert shares.argmax(1).tolist() == [0, 2]
  low, high = filters.centroids(kernel)
  assert low < 0.5 and high > 1
  # the constant of the one is all of it, of the other a ninth of its mean
  without = np.asarray(filters.band_shares(kernel, constant=False))
  np.testing.assert_array_equal(without[0], 0)
  assert without[1].sum() == pytest.approx(1, abs=1e-6) and without[1, 2] > shares[1, 2]


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1e25])
def test_shares_do_not_depend_on_the_scale(scale):
  kernel = kernel_of(3)
  np.testing.assert_allclose(
    filters.band_shares(kernel * np.float32(scale)), filters.band_shares(kernel), atol=1e-6
  )


def test_a_filter_that_is_zero_has_no_shares_and_no_say():
  kernel = kernel_of(3)
  silent = np.concatenate([kernel, np.zeros((3, 3, 3, 2), np.float32)], -1)
  shares = np.asarray(filters.band_shares(silent))
  np.testing.assert_array_equal(shares[6:], 0)
  np.testing.assert_array_equal(filters.centroids(silent)[6:], 0)
  np.testing.assert_array_equal(filters.radial_profile(silent)[6:], 0)
  for found, expected in zip(filters.proportion(silent), filters.proportion(kernel)):
    np.testing.assert_allclose(found, expected, atol=1e-6)
  for found in filters.proportion(np.zeros((3, 3, 3, 2))):
    np.testing.assert_array_equal(found, 0)


def test_the_proportion_in_its_three_senses():
  kernel = kernel_of(5, count=9)
  kernel[..., 4] *= 3
  gain = RANDOM.random(9) + 0.1
  shares = np.asarray(filters.band_shares(kernel), float)
  found = filters.proportion(kernel, gain)
  np.testing.assert_allclose(
    found.classes, np.bincount(shares.argmax(1), minlength=3) / 9, atol=1e-6
  )
  np.testing.assert_allclose(found.mean_shares, shares.mean(0), atol=1e-6)
  energy = (kernel.astype(float) ** 2).sum((0, 1, 2)) * gain
  np.testing.assert_allclose(found.weighted_shares, energy @ shares / energy.sum(), atol=1e-6)
  plain = filters.proportion(kernel).weighted_shares
  np.testing.assert_allclose(
    plain, filters.proportion(kernel, np.full(9, 7.0)).weighted_shares, atol=1e-6
  )


@pytest.mark.parametrize("constant", [True, False])
def test_the_derivative_is_that_of_differences(constant):
  kernel = kernel_of(3, count=3).astype(np.float32)
  kernel[..., 2] = 0  # where the derivative must stay finite
  target = np.array([1.0, 0.0, 0.0])

  def penalty(kernel):
    return jnp.square(filters.band_shares(kernel, constant=constant).mean(0) - target).sum()

  gradient = np.asarray(jax.grad(penalty)(kernel))
  assert np.isfinite(gradient).all()
  direction = RANDOM.standard_normal(kernel.shape).astype(np.float32)
  direction[..., 2] = 0
  step = 1e-2
  difference = (penalty(kernel + step * direction) - penalty(kernel - step * direction)) / (
    2 * step
  )
  assert float(difference) == pytest.approx(float((gradient * direction).sum()), rel=0.02, abs=1e-4)


@pytest.mark.parametrize("k", WHITE)
def test_white_filters(k):
  found, (shares, classes, centre, deviation) = filters.white_baseline(k, 3), WHITE[k]
  # two draws of 4 000 filters, whose low shares deviate by 0.1
  assert found.mean_shares == pytest.approx(shares, abs=5e-3)
  assert found.classes == pytest.approx(classes, abs=0.03)
  assert found.centroid_mean == pytest.approx(centre, abs=2e-3)
  assert found.centroid_std == pytest.approx(deviation, abs=1.5e-3)


def test_the_baseline_is_drawn_alike_and_in_one_piece():
  small = filters.white_baseline(3, 3001, count=3)  # one at a time
  random = np.random.default_rng(0)
  drawn = np.concatenate(
    [random.standard_normal((3, 3, 3001, 1), np.float32) for _ in range(3)], -1
  )
  np.testing.assert_allclose(small.mean_shares, filters.band_shares(drawn).mean(0), atol=1e-6)
  assert np.sum(small.classes) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_the_basis_is_scipys_and_orthonormal(k):
  basis = filters.dct_basis(k)
  assert basis.shape == (k,) * 4 and basis.dtype == np.float32
  image = RANDOM.standard_normal((k, k))
  np.testing.assert_allclose(
    np.einsum("uvyx,yx->uv", basis, image), scipy.fft.dctn(image, norm="ortho"), atol=1e-5
  )
  flat = basis.reshape(k * k, k * k)
  np.testing.assert_allclose(flat @ flat.T, np.eye(k * k), atol=1e-6)


def test_the_centroids_of_the_basis():
  centroids = filters.dct_centroids(3)
  expected = {(0, 0): 0.37, (0, 1): 0.58, (1, 1): 0.73, (0, 2): 0.83, (1, 2): 0.94, (2, 2): 1.10}
  for place, value in expected.items():
    assert centroids[place] == centroids.T[place] == pytest.approx(value, abs=5e-3)


@pytest.mark.parametrize("k", BANDS)
def test_the_bands_of_the_basis(k):
  found = filters.dct_bands(k)
  assert " ".join("".join(map(str, row)) for row in found) == BANDS[k]
  assert tuple(np.bincount(found.ravel())) == COUNTS[k]
  # and by the measure of filters, of which it is a special case
  kernel = filters.dct_basis(k).transpose(2, 3, 0, 1).reshape(k, k, 1, k * k)
  np.testing.assert_allclose(
    filters.centroids(kernel).reshape(k, k), filters.dct_centroids(k), atol=1e-5
  )


def test_the_bands_of_the_basis_are_known_while_tracing():
  mask = jax.jit(lambda x: x * (filters.dct_bands(3) == 0))(jnp.ones((3, 3)))
  assert int(mask.sum()) == 3


@pytest.mark.parametrize("k", PURE)
@pytest.mark.parametrize("band", range(3))
def test_filters_of_one_class_measure_as_that_class(k, band):
  coefficients = (
    RANDOM.standard_normal((k, k, 3, 1000)) * (filters.dct_bands(k) == band)[..., None, None]
  )
  kernel = np.einsum("uvco,uvyx->yxco", coefficients, filters.dct_basis(k))
  shares = np.asarray(filters.band_shares(kernel))
  assert (shares.argmax(1) == band).all()
  assert shares.mean(0) == pytest.approx(PURE[k][band], abs=0.01)


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 5, 3, 8), (33, 33, 1, 1), (3, 3, 0, 4)])
def test_what_is_no_kernel_is_refused(shape):
  with pytest.raises(UserError, match=r"a kernel must be real numbers \[k, k, C, O\]"):
    filters.band_shares(np.zeros(shape, np.float32))


def test_other_wrong_arguments_are_refused():
  with pytest.raises(UserError, match=r"one number per filter, \[6\], got \[5\]"):
    filters.proportion(kernel_of(3), np.ones(5))
  for k in (0, 33):
    with pytest.raises(UserError, match=f"1 to 32 rows, got {k}"):
      filters.dct_bands(k)
  with pytest.raises(UserError, match="a kernel must be"):
    filters.white_baseline(3, 0)

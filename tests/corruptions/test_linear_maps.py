"""Filters and resizings as matrices, against SciPy and Pillow; and sampling between pixels against
SciPy.
"""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from apr_jax.corruptions import linear_maps, sampling

SCIPY_BORDER = {"edge": "nearest", "reflect": "reflect", "reflect101": "mirror"}


@pytest.mark.parametrize("border", SCIPY_BORDER)
def test_correlation_is_scipys(border):
  rng = np.random.default_rng(0)
  signal, taps = rng.normal(size=12), rng.normal(size=9)
  expected = ndimage.correlate1d(signal, taps, mode=SCIPY_BORDER[border])
  np.testing.assert_allclose(
    linear_maps.correlation(taps, 12, border) @ signal, expected, atol=1e-12
  )


@pytest.mark.parametrize(
  "border, sigma, truncate",
  [("edge", 0.4, 4), ("edge", 6, 4), ("reflect", 1.3, 3), ("reflect", 20, 3), ("edge", 0.05, 4)],
)
def test_gaussian_blur_is_scipys(border, sigma, truncate):
  images = np.random.default_rng(1).random((2, 17, 24, 3)).astype(np.float32)
  expected = ndimage.gaussian_filter(
    images.astype(float), (0, sigma, sigma, 0), mode=SCIPY_BORDER[border], truncate=truncate
  )
  np.testing.assert_allclose(
    linear_maps.gaussian_blur(images, sigma, border, truncate), expected, atol=2e-6
  )


def test_kernels_that_are_not_separable():
  rng = np.random.default_rng(2)
  images, kernel = rng.random((2, 14, 19, 3)).astype(np.float32), rng.random((7, 7))
  expected = ndimage.correlate(images.astype(float), kernel[None, :, :, None], mode="mirror")
  np.testing.assert_allclose(
    linear_maps.correlate(images, kernel, "reflect101"), expected, rtol=1e-5
  )


@pytest.mark.parametrize(
  "size, factor", [(32, 1.0), (32, 1.06), (32, 1.75), (32, 2.25), (33, 1.3), (61, 4.5)]
)
def test_centre_zoom_is_scipys(size, factor):
  signal = np.random.default_rng(3).random(size)
  crop = int(np.ceil(size / factor))
  first = (size - crop) // 2
  zoomed = ndimage.zoom(signal[first : first + crop], factor, order=1)
  trim = (len(zoomed) - size) // 2
  np.testing.assert_allclose(
    linear_maps.centre_zoom(size, factor) @ signal, zoomed[trim : trim + size], atol=1e-9
  )


@pytest.mark.parametrize(
  "size, new_size", [(32, 30), (32, 20), (20, 32), (45, 11), (11, 45), (7, 7)]
)
def test_box_resize_is_pillows(size, new_size):
  signal = np.random.default_rng(4).random((1, size)).astype(np.float32)
  expected = np.asarray(Image.fromarray(signal, "F").resize((new_size, 1), Image.Resampling.BOX))[0]
  np.testing.assert_allclose(
    linear_maps.box_resize(size, new_size) @ signal[0], expected, atol=1e-6
  )


@pytest.mark.parametrize("repeat_edge, mode", [(True, "reflect"), (False, "mirror")])
def test_bilinear_sampling_is_scipys(repeat_edge, mode):
  rng = np.random.default_rng(5)
  images = rng.random((2, 9, 13, 3)).astype(np.float32)
  rows, columns = rng.uniform(-25, 35, (2, 2, 6, 7)).astype(np.float32)
  found = np.asarray(sampling.bilinear(images, rows, columns, repeat_edge))
  for i in range(2):
    for c in range(3):
      expected = ndimage.map_coordinates(
        images[i, ..., c].astype(float),
        (rows[i].astype(float), columns[i].astype(float)),
        order=1,
        mode=mode,
      )
      np.testing.assert_allclose(found[i, ..., c], expected, atol=2e-5)

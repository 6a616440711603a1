"""An image comes out to the bit alike in any batch: convolutions, the mean, the linear layer and a
network; and each of them is what it is without.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from apr_jax import models
from apr_jax.models import convolution, image_by_image, layers

RANDOM = np.random.default_rng(0)
AXES = ("NHWC", "HWIO", "NHWC")
AXES_OF_DENSE = (((1,), (0,)), ((), ()))
OPERATIONS = ("stablehlo.convolution", "stablehlo.reduce(", "stablehlo.dot_general")
# {what is special: (side of the image, channels, features, side of the kernel, stride)}
CONVOLUTIONS = {
  "of the first layer": (16, 3, 16, 3, 1),
  "of few channels": (8, 16, 16, 3, 1),
  "Winograd's elsewhere": (6, 64, 66, 3, 1),
  "a product elsewhere": (6, 20, 4, 3, 1),
  "stride": (8, 32, 32, 3, 2),
  "stride, odd image": (7, 16, 24, 3, 2),
  "one pixel, stride": (8, 16, 24, 1, 2),
  "of a small map": (2, 64, 64, 3, 1),
}


def image_by_image_and_not(function, *arguments):
  """What the function gives with the switch on, and with it off."""
  with image_by_image.on():
    on = jax.jit(lambda *arguments: function(*arguments))(*arguments)
  return on, jax.jit(lambda *arguments: function(*arguments))(*arguments)


def assert_alike_in_any_batch(function, images):
  @jax.jit
  def computed(images):
    with image_by_image.on():
      return function(images)

  whole = computed(images)
  for size in (1, 2, 3, 5):
    first = jax.tree.map(lambda of_all: of_all[:size], whole)  # noqa: B023
    jax.tree.map(np.testing.assert_array_equal, computed(images[:size]), first)
  return whole


def test_nothing_is_added_where_nothing_is_left_over():
  assert image_by_image.more_pixels(48, 32, 32) == (0, 0)
  assert image_by_image.more_pixels(12, 8, 8) == (0, 0)  # 768 pixels


def test_the_fewest_pixels_are_added():
  # 51 · 1024 = 24 · 2176; a row more of each of the 50 images would be 32 times as much.
  assert image_by_image.more_pixels(50, 32, 32) == (1, 0)
  # 33 · 32 = 24 · 44; two images more would be 62 rows more.
  assert image_by_image.more_pixels(1, 32, 32) == (0, 1)
  for images, height, width in itertools.product((1, 2, 5, 7, 50), (1, 2, 7, 8, 14), (2, 7, 9)):
    more, rows = image_by_image.more_pixels(images, height, width)
    pixels = (images + more) * (height + rows) * width
    assert pixels % 24 == 0 and pixels >= 768
    assert pixels == min(
      size
      for i, r in itertools.product(range(400), range(24))
      if (size := (images + i) * (height + r) * width) % 24 == 0 and size >= 768
    )


@pytest.mark.parametrize("variant", CONVOLUTIONS)
def test_convolutions(variant):
  side, channels, features, size, stride = CONVOLUTIONS[variant]
  x = RANDOM.normal(size=(7, side, side, channels)).astype(np.float32)
  kernel = RANDOM.normal(size=(size, size, channels, features)).astype(np.float32)
  settings = ((stride, stride), 2 * ((size // 2, size // 2),))

  def ours(x, kernel=kernel):
    return convolution.convolve(x, kernel, *settings, dimension_numbers=AXES)

  def ours_and_gradient(x):
    y, back = jax.vjp(ours, x)
    return y, back(jnp.cos(y))[0]

  found = assert_alike_in_any_batch(ours_and_gradient, x)
  y, back = jax.vjp(
    lambda x: lax.conv_general_dilated(x, kernel, *settings, dimension_numbers=AXES), x
  )
  for array, expected in zip(found, (y, back(jnp.cos(found[0]))[0])):
    np.testing.assert_allclose(array, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("variant", ["Winograd's elsewhere", "a product elsewhere", "plain"])
def test_outside_the_product_of_all_images_counts(variant):
  channels, features = {"plain": (4, 6)}.get(variant) or CONVOLUTIONS[variant][1:3]
  x = RANDOM.normal(size=(12, 8, 8, channels)).astype(np.float32)  # nothing is left over
  kernel = RANDOM.normal(size=(3, 3, channels, features)).astype(np.float32)

  def computed(x):
    return convolution.convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=AXES)

  on, off = image_by_image_and_not(computed, x)
  with image_by_image.on(False):
    switched_off = jax.jit(lambda x: computed(x))(x)
  np.testing.assert_array_equal(switched_off, off)
  assert (np.asarray(off) != on).any() == (variant != "plain")
  with image_by_image.on(), image_by_image.on(False):  # which leaves things as they are outside
    np.testing.assert_array_equal(jax.jit(lambda x: computed(x))(x), on)


def test_means():
  x = RANDOM.normal(size=(7, 8, 6, 20)).astype(np.float32)
  found = assert_alike_in_any_batch(layers.global_average_pool, x)
  np.testing.assert_allclose(found, x.mean((1, 2)), atol=1e-6)
  gradient = jax.grad(lambda x: (image_by_image.mean(x) * found).sum())
  on, off = image_by_image_and_not(gradient, x)
  np.testing.assert_allclose(on, off, atol=1e-7)
  np.testing.assert_allclose(on[:, 3, 2], found / 48, rtol=1e-5)


@pytest.mark.parametrize("channels, features", [(64, 100), (24, 7)])
def test_linear_layers(channels, features):
  layer = layers.linear(features, name="fc")
  x = RANDOM.normal(size=(70, channels)).astype(np.float32)
  variables = layer.init(jax.random.key(0), x)
  kernel = np.asarray(variables["params"]["kernel"], np.float64)
  found = assert_alike_in_any_batch(lambda x: layer.apply(variables, x), x)
  np.testing.assert_allclose(found, x @ kernel, atol=1e-5)

  def gradients(x, variables):
    return jax.grad(lambda x, v: jnp.sin(layer.apply(v, x)).sum(), (0, 1))(x, variables)

  on, off = image_by_image_and_not(gradients, x, variables)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), on, off)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_other_devices_compute_all_images_at_once(platform):
  kernel = jnp.ones((3, 3, 4, 5))

  def every_kind(x):
    y = convolution.convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=AXES)
    return image_by_image.dot_general(image_by_image.mean(y), kernel[0, 0].T, AXES_OF_DENSE)

  def program(on):
    with image_by_image.on(on):
      traced = jax.jit(lambda x: every_kind(x)).trace(jnp.ones((7, 6, 6, 4)))
    return traced.lower(lowering_platforms=(platform,)).as_text()

  assert "while" not in program(True) and "stablehlo.pad" not in program(True)
  assert [program(True).count(name) for name in OPERATIONS] == [1, 1, 1]
  assert [program(False).count(name) for name in OPERATIONS] == [1, 1, 1]


@pytest.mark.slow
def test_a_network():
  network = models.make("wide_resnet_10_1", 10, mean=(0.5,) * 3, std=(0.25,) * 3)
  images = RANDOM.random((7, 9, 9, 3), dtype=np.float32)
  variables = jax.jit(network.init)(jax.random.key(0), images)
  found = assert_alike_in_any_batch(lambda images: network.apply(variables, images), images)
  assert found.std(0).max() > 1e-3

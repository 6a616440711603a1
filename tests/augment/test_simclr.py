"""SimCLR's views: each operation against Pillow, colorsys or float64 NumPy, then their order on the
same draws.
"""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from apr_jax.augment import simclr

# These programs run once or twice: compiling them without optimisation takes half the time.
QUICKLY = {"xla_backend_optimization_level": 0}
views_of = jax.jit(simclr.simclr, static_argnames=("views", "min_area"), compiler_options=QUICKLY)
random_box = jax.jit(simclr.random_box, static_argnums=(1, 2, 3), compiler_options=QUICKLY)
resized_crop = jax.jit(simclr.resized_crop, compiler_options=QUICKLY)


def contrast_of(image, factor):
  mean = image.mean((0, 1))
  return np.clip((image - mean) * factor + mean, 0, 1)


def colors_of(image, turn, saturation, value):
  """Pixel by pixel with colorsys, in float64."""
  changed = []
  for color in image.reshape(-1, 3):
    h, s, v = colorsys.rgb_to_hsv(*color)
    changed.append(colorsys.hsv_to_rgb((h + turn) % 1, min(saturation * s, 1), min(value * v, 1)))
  return np.array(changed).reshape(image.shape)


def crop_of(image, box):
  """Pillow's bilinear enlargement of a part, on floats."""
  top, left, height, width = map(float, box)

  def resize(channel):
    return Image.fromarray(channel.astype(np.float32)).resize(
      image.shape[1::-1], Image.Resampling.BILINEAR, box=(left, top, left + width, top + height)
    )

  return np.stack([np.asarray(resize(image[..., channel])) for channel in range(3)], -1)


@pytest.fixture(scope="module")
def image(photographs):
  return photographs[3] / 255


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
def test_contrast_is_about_the_mean_of_each_channel(image, factor):
  result = simclr.adjust_contrast(jnp.float32(image), factor)
  np.testing.assert_allclose(result, contrast_of(image, factor), atol=1e-5)
  if factor == 1:
    np.testing.assert_array_equal(result, np.float32(image))


@pytest.mark.parametrize(
  "turn, saturation, value",
  [
    (0.0, 1.0, 1.0),
    (simclr.TURN, 1.0, 1.0),
    (-simclr.TURN, 0.6, 1.4),
    (0.05, 1.4, 0.6),
    (0.0, 0.0, 1.0),
  ],
)
def test_colors_are_colorsyss(image, turn, saturation, value):
  result = jax.jit(simclr.adjust_colors)(jnp.float32(image), turn, saturation, value)
  np.testing.assert_allclose(result, colors_of(image, turn, saturation, value), atol=2e-5)


def test_grey_is_pillows_within_rounding(photographs):
  grey = np.asarray(simclr.grey(jnp.float32(photographs[3] / 255)))
  assert (grey == grey[..., :1]).all()
  assert (
    np.abs(255 * grey[..., 0] - np.asarray(Image.fromarray(photographs[3]).convert("L"))).max()
    <= 0.51
  )


@pytest.mark.parametrize(
  "box", [(0, 0, 32, 32), (0, 0, 9, 12), (22.5, 20.5, 9.5, 11.5), (3.5, 11, 20, 16), (31, 0, 1, 5)]
)
def test_a_resized_crop_is_pillows(image, box):
  result = resized_crop(jnp.float32(image), jnp.float32(box))
  np.testing.assert_allclose(result, crop_of(image, box), atol=2e-6)


def test_a_resized_crop_of_an_image_that_is_not_square(photograph):
  image, box = photograph[:20, :41] / 255, (2.5, 8, 15, 20)
  np.testing.assert_allclose(
    resized_crop(jnp.float32(image), jnp.float32(box)), crop_of(image, box), atol=2e-6
  )


def test_boxes_fit_and_have_the_areas_and_ratios_asked_for():
  keys = jax.random.split(jax.random.key(0), 4000)
  draw = jax.jit(
    jax.vmap(simclr.random_box, in_axes=(0, None, None, None)), compiler_options=QUICKLY
  )
  top, left, height, width = np.asarray(draw(keys, 32, 24, 0.25)).T
  assert (np.round(height) == height).all() and (np.round(width) == width).all()
  assert min(height.min(), width.min()) >= 10
  assert (2 * top == np.round(2 * top)).all() and (2 * top % 2).any()  # half pixels
  assert (
    top.min() == 0 and left.min() == 0 and (top + height).max() == 32 and (left + width).max() == 24
  )
  area, ratio = height * width / (32 * 24), width / height
  # Rounding moves a side by up to half a pixel.
  assert 0.22 < area.min() < 0.3 and area.max() <= 1
  assert 0.69 < ratio.min() < 0.8 and 1.2 < ratio.max() < 1.44
  # Places are uniform over what is free.
  free = height < 28
  assert np.mean(top[free] / (32 - height[free])) == pytest.approx(0.5, abs=0.02)
  # A flat image has room for small boxes alone; where none of ten draws fits, the box is the whole
  # image.
  strip = np.asarray(draw(keys[:50], 2, 200, 0.9))
  np.testing.assert_array_equal(strip, np.broadcast_to([0, 0, 2, 200], strip.shape))


def expected_view(key, image, min_area):
  """The operations one after the other in float64, on the draws of `key`."""
  coin_key, jitter_key, box_key = jax.random.split(key, 3)
  flip, coin, order, grey = np.asarray(jax.random.uniform(coin_key, (4,)))
  shifts = np.asarray(jax.random.uniform(jitter_key, (4,), minval=-1), np.float64)
  contrast, saturation, value = 1 + 0.4 * shifts[:3]
  turn = 0.1 * 255 / 360 * shifts[3]
  if flip < 0.5:
    image = image[:, ::-1]
  jittered = bool(coin < 0.8)
  if jittered:
    steps = [lambda x: contrast_of(x, contrast), lambda x: colors_of(x, turn, saturation, value)]
    for step in steps if order < 0.5 else steps[::-1]:
      image = step(image)
  if grey < 0.2:
    image = np.repeat(image @ np.array([[0.299], [0.587], [0.114]]), 3, -1)
  return crop_of(image, random_box(box_key, *image.shape[:2], min_area)), jittered


def test_views_are_flip_jitter_grey_and_crop(photographs):
  images, key = photographs[:8, ::2, ::2], jax.random.key(4)
  views = np.asarray(views_of(key, images, min_area=0.3))
  assert views.shape == (2, 8, 16, 16, 3) and views.dtype == np.float32
  assert views.min() >= 0 and views.max() <= 1 + 1e-6
  kinds = set()
  for i, image in enumerate(images):
    for view, view_key in enumerate(jax.random.split(jax.random.fold_in(key, i))):
      expected, jittered = expected_view(view_key, image / 255, 0.3)
      np.testing.assert_allclose(views[view, i], expected, atol=5e-5)
      kinds.add((jittered, bool(np.ptp(expected, -1).max() < 1e-6)))
  assert len(kinds) >= 3  # jittered or not, grey or not


def test_views_differ_and_depend_on_position_alone(photographs):
  key, same = jax.random.key(0), np.repeat(photographs[:1, ::2, ::2], 8, axis=0)
  views = np.asarray(views_of(key, same, min_area=0.3))
  assert len({view.tobytes() for view in views.reshape(16, -1)}) == 16
  part = np.asarray(
    views_of(key, same, min_area=0.3, positions=jnp.array([2, 3, 9, 1, 7, 20, 21, 22]))
  )
  np.testing.assert_allclose(part[:, [0, 1, 3, 4]], views[:, [2, 3, 1, 7]], atol=1e-6)

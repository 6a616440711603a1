"""The nine operations against Pillow."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from apr_jax.augment import ops, tables
from apr_jax.augment.shifts import Reach
from apr_jax.augment.warp import rotation, warp, with_entry


def affine(*matrix):
  return lambda image: image.transform(
    image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
  )


# {name: (operation, its argument, Pillow's)}
LOOKUPS = {
  "autocontrast": (ops.autocontrast, (), ImageOps.autocontrast),
  "equalize": (ops.equalize, (), ImageOps.equalize),
  **{
    f"posterize {bits}": (ops.posterize, (bits,), lambda x, bits=bits: ImageOps.posterize(x, bits))
    for bits in (1, 3, 4, 8)
  },
  **{
    f"solarize {t}": (ops.solarize, (t,), lambda x, t=t: ImageOps.solarize(x, t))
    for t in (0, 1, 128, 180, 256)
  },
}
WARPS = {
  **{
    f"rotate {d}": (ops.rotate, (d,), lambda x, d=d: x.rotate(d, Image.Resampling.BILINEAR))
    for d in (0, 1, -3, 9, -8, 30, 45, 90, 180, -90, 200.5)
  },
  **{f"shear_x {s}": (ops.shear_x, (s,), affine(1, s, 0, 0, 1, 0)) for s in (0, 0.09, -0.05, 0.3)},
  **{f"shear_y {s}": (ops.shear_y, (s,), affine(1, 0, 0, s, 1, 0)) for s in (0, 0.09, -0.05, 0.3)},
  **{
    f"translate_x {t}": (ops.translate_x, (t,), affine(1, 0, t, 0, 1, 0))
    for t in (0, 3, -2, 10, 1.25, 40)
  },
  **{
    f"translate_y {t}": (ops.translate_y, (t,), affine(1, 0, 0, 0, 1, t))
    for t in (0, 3, -2, 10, 1.25, 40)
  },
}


@functools.cache
def of_batch(operation, arguments):
  """One program for all arguments; that they may be constants too is seen image by image."""
  return jax.jit(jax.vmap(operation, in_axes=(0, *[None] * arguments)))


def pillow(function, images):
  return np.stack([np.asarray(function(Image.fromarray(image))) for image in images])


@pytest.fixture(scope="module")
def images(photographs):
  rng = np.random.default_rng(0)
  plain = [np.full((32, 32, 3), value, np.uint8) for value in (0, 7, 255)]
  two_valued = np.where(rng.random((32, 32, 3)) < 0.3, 40, 65).astype(np.uint8)
  narrow = rng.integers(100, 129, (6, 32, 32, 3)).astype(np.uint8)
  skewed = (255 * rng.random((32, 32, 3)) ** 6).astype(np.uint8)
  return np.concatenate([photographs, [*plain, two_valued, skewed], narrow])


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookup_equals_pillow_exactly(name, images):
  ours, arguments, theirs = LOOKUPS[name]
  result = of_batch(ours, len(arguments))(images, *arguments)
  assert result.dtype == jnp.uint8
  np.testing.assert_array_equal(result, pillow(theirs, images))
  np.testing.assert_array_equal(ours(images[3], *arguments), result[3])


@pytest.mark.parametrize("name", WARPS)
def test_warp_equals_pillow_within_one_level(name, images):
  ours, arguments, theirs = WARPS[name]
  result = of_batch(ours, 1)(images, *map(float, arguments))
  assert result.dtype == jnp.uint8
  expected = pillow(theirs, images)
  assert (np.abs(np.asarray(result, int) - expected) <= 1).mean() >= 0.999
  # Of a white image what comes from outside is black, not nearly so.
  white = (images == 255).all((1, 2, 3))
  np.testing.assert_array_equal(np.unique(result[white]), np.unique(expected[white]))
  # Compiled, multiply and add may fuse, which moves a value across the truncation to uint8.
  alone = np.asarray(ours(images[3], *arguments), int)
  np.testing.assert_allclose(alone, np.asarray(result[3], int), atol=1)


@pytest.mark.parametrize("shape", [(224, 224), (20, 50), (51, 33)])
@pytest.mark.parametrize(
  "name", ["autocontrast", "equalize", "rotate -8", "shear_x 0.09", "translate_y -2"]
)
def test_other_sizes(name, shape, photograph):
  ours, arguments, theirs = (LOOKUPS | WARPS)[name]
  image = photograph[: shape[0], : shape[1]]
  found = np.asarray(jax.jit(ours)(image, *arguments), int)
  difference = np.abs(found - pillow(theirs, [image])[0])
  assert (difference <= (0 if name in LOOKUPS else 1)).mean() >= 0.999


def test_autocontrast_table_for_every_range():
  """For every darkest and lightest value: the table, between them, is Pillow's integer arithmetic
  in doubles.
  """
  low, high = np.triu_indices(256, k=1)
  counts = np.zeros((len(low), 256), np.int32)
  counts[np.arange(len(low)), low] = 1
  counts[np.arange(len(low)), high] = 1
  counts = counts.reshape(-1, 3, 256)
  ours = np.asarray(jax.jit(jax.vmap(tables.autocontrast))(counts)).reshape(-1, 256)
  values = np.arange(256)
  scale = 255.0 / (high - low)
  offset = -low * scale
  theirs = np.clip((values * scale[:, None] + offset[:, None]).astype(int), 0, 255)
  occurs = (values >= low[:, None]) & (values <= high[:, None])
  np.testing.assert_array_equal(ours[occurs], theirs[occurs])


def test_random_op_is_one_of_the_nine_at_a_level_in_range(photographs):
  """Each result equals some operation at some level that severity 3 allows, and all nine occur."""
  image = photographs[0]
  candidates = {
    "autocontrast": [ops.autocontrast(image)],
    "equalize": [ops.equalize(image)],
    "posterize": at_each(ops.posterize, image, [3, 4]),
    "solarize": at_each(ops.solarize, image, range(256 - 76, 257)),
    "rotate": at_each(ops.rotate, image, range(-8, 9)),
    "translate_x": at_each(ops.translate_x, image, range(-3, 4)),
    "translate_y": at_each(ops.translate_y, image, range(-3, 4)),
  }
  results = np.asarray(
    jax.jit(jax.vmap(ops.random_op, in_axes=(0, None)))(
      jax.random.split(jax.random.key(0), 400), image
    )
  )
  tables_of_results = {
    name: {np.asarray(candidate).tobytes() for candidate in images}
    for name, images in candidates.items()
  }
  sheared = shears(image)
  seen = dict.fromkeys(candidates, 0) | {"shear": 0}
  for result in results:
    matches = [name for name, images in tables_of_results.items() if result.tobytes() in images]
    seen[matches[0] if matches else "shear"] += 1
    if not matches:  # factors are continuous: a near one gives nearly the same image
      assert np.abs(sheared - result).max(axis=(1, 2, 3)).min() <= 2
  # Levels of zero (translations, rotations, solarize) give the image itself and match several:
  # bounds are loose.
  assert all(count >= 15 for count in seen.values()), seen
  assert 50 <= seen["shear"] <= 130, seen


def at_each(operation, image, levels):
  """An operation at each of these levels."""
  return np.asarray(jax.jit(jax.vmap(operation, in_axes=(None, 0)))(image, np.array(levels)))


def shears(image):
  factors = np.linspace(-0.09, 0.09, 721)
  return np.concatenate(
    [at_each(shear, image, factors).astype(int) for shear in (ops.shear_x, ops.shear_y)]
  )


@pytest.mark.parametrize(
  "bad",
  [
    np.zeros((32, 32, 3), np.float32),
    np.zeros((32, 32), np.uint8),
    np.zeros((32, 32, 1), np.uint8),
  ],
)
def test_wrong_images_are_refused(bad):
  with pytest.raises(ValueError, match="uint8"):
    ops.rotate(bad, 3)


def test_lookups_by_selection_and_histograms_by_products_are_exact(images):
  rng = np.random.default_rng(1)
  table = rng.integers(0, 256, (3, 256), np.uint8)
  for image in (images[0], images[-1], rng.integers(0, 256, (5, 7, 3), np.uint8)):
    np.testing.assert_array_equal(
      tables.apply(image, table, "product"),
      np.stack([table[c][image[..., c]] for c in range(3)], 2),
    )
    counts = tables.histogram(image, "product")
    np.testing.assert_array_equal(
      counts, [np.bincount(image[..., c].ravel(), minlength=256) for c in range(3)]
    )
    for table_of in (tables.autocontrast, tables.equalize):
      np.testing.assert_array_equal(table_of(counts, "product"), table_of(counts, "index"))


def test_a_random_op_is_the_same_in_the_form_of_a_tpu(photograph):
  image = photograph[:20, :24]
  keys = jax.random.split(jax.random.key(0), 64)  # every operation, several times
  by_index, by_products = (
    np.asarray(
      jax.jit(jax.vmap(lambda key, form=form: ops.random_op(key, image, 3, form)))(keys), np.int32
    )
    for form in ("index", "product")
  )
  assert np.abs(by_index - by_products).max() <= 1 and (by_index == by_products).mean() > 0.999


@pytest.mark.parametrize(
  "size, degrees, shear",
  [((14, 18), 9, 0.09), ((14, 18), 30, 0.3), ((48, 56), 30, 0.3)],  # the last moves lines first
)
def test_warps_at_the_end_of_their_reach_are_the_same_in_the_form_of_a_tpu(
  photograph, size, degrees, shear
):
  height, width = size
  image = photograph[:height, :width]
  reach = Reach.of(height, width, degrees, shear, 0.2)
  matrices = [rotation(angle, height, width) for angle in (degrees, -degrees, degrees / 3)]
  matrices += [with_entry(index, sign * shear) for index in (1, 3) for sign in (1, -1)]
  matrices += [
    with_entry(index, sign * (side // 5))
    for index, side in ((2, width), (5, height))
    for sign in (1, -1)
  ]
  by_index, by_shifts = (
    jax.jit(lambda matrix, form=form: warp(image, matrix, reach, form))
    for form in ("index", "product")
  )
  for matrix in matrices:
    matrix = tuple(np.float32(number) for number in matrix)
    expected, found = (np.asarray(form(matrix), np.int32) for form in (by_index, by_shifts))
    assert np.abs(expected - found).max() <= 1 and (expected == found).mean() > 0.99


def test_reach_by_hand():
  # A row of 32 at 9 degrees: 16 · sin 9° + 16 · (1 − cos 9°) = 2.7; a shear of 0.1: 3.2 pixels.
  assert Reach.of(32, 32, 9, 0.0, 0.0).columns == 3
  assert Reach.of(32, 32, 0, 0.1, 0.0).rows == 4
  # Translations are by whole pixels, here up to 2 and 5, and read nothing between two.
  assert Reach.of(20, 50, 0, 0.0, 0.1) == Reach(columns=5, rows=2, slope=0.0)
  assert Reach.of(32, 32, 0, 0.0, 0.1).rows == 3
  # Positions between two rows span twice the slope: 0.3 or 1.15 of a column.
  assert [Reach(0, 0, slope).fetched for slope in (0.0, 0.158, 0.577)] == [3, 3, 4]

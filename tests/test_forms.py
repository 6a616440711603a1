"""A computation with two forms: which of them a program holds, and what becomes of it under JAX's
transformations.
"""

import functools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from apr_jax import forms
from apr_jax.augment import crop_flip, ops, permuted
from apr_jax.augment.prime_transforms import RELEASED, random_transform
from apr_jax.errors import UserError
from apr_jax.spectrum import recombination

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3)).astype(np.uint8)
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
PLACES = np.array([2, 0, 3, 1])


@pytest.fixture
def traced():
  """The names of the forms that were traced or called."""
  return []


@pytest.fixture
def taken(traced):
  """(rows, places) → twice these rows; which of the forms it is can be told by its sign, which no
  pair of forms may differ in outside of this test.
  """

  def index(rows, places):
    traced.append("index")
    return 2 * rows[places]

  def product(rows, places):
    traced.append("product")
    return -2 * jax.nn.one_hot(places, len(rows)) @ rows

  return functools.partial(forms.by_platform, index, product)


def of_platform(function, platform, *arguments):
  return jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(
  ("platform", "gathers", "both"), [("cpu", 1, False), ("cuda", 1, False), ("tpu", 0, True)]
)
def test_a_program_holds_the_form_of_its_platform_and_the_other_is_not_traced(
  taken, traced, platform, gathers, both
):
  program = of_platform(taken, platform, ROWS, PLACES)
  assert program.count('"stablehlo.gather"') == gathers
  assert program.count("stablehlo.dot_general") == 1 - gathers
  # The shape of what comes out is that of the index form, which is therefore always traced.
  assert traced == (["index", "product"] if both else ["index"])


def test_an_exported_program_holds_both(taken):
  exported = jax.export.export(jax.jit(taken), platforms=("cpu", "tpu"))(ROWS, PLACES)
  np.testing.assert_array_equal(exported.call(ROWS, PLACES), 2 * ROWS[PLACES])
  assert "stablehlo.dot_general" in exported.mlir_module()


@pytest.mark.parametrize("jit", [lambda function: function, jax.jit], ids=["eager", "jit"])
def test_under_vmap_each_row_goes_by_itself(taken, traced, jit):
  twice = jax.vmap(jax.vmap(taken, (None, 0)), (0, None))
  many = np.stack([ROWS, ROWS + 1])
  expected = 2 * many[:, PLACES.reshape(2, 2)]
  np.testing.assert_array_equal(jit(twice)(many, PLACES.reshape(2, 2)), expected)
  assert set(traced) == {"index"}


def test_trees_of_arrays_are_taken(taken):
  def of(tree):
    return forms.by_platform(lambda tree: tree["a"] + tree["b"][0], lambda tree: tree["a"], tree)

  np.testing.assert_array_equal(jax.jit(of)({"a": ROWS, "b": (ROWS, PLACES)}), 2 * ROWS)


def test_its_derivative_is_that_of_the_form(taken):
  loss = jax.jit(jax.grad(lambda rows: jnp.sum(taken(rows, PLACES[:2]) ** 2)))
  expected = np.zeros_like(ROWS)
  expected[PLACES[:2]] = 8 * ROWS[PLACES[:2]]
  np.testing.assert_allclose(loss(ROWS), expected)


@pytest.mark.parametrize("check", [False, True])
def test_it_works_on_shares_of_devices(taken, check):
  mesh = Mesh(np.array(jax.devices()[:2]), ("devices",))
  share, whole = PartitionSpec("devices"), PartitionSpec()
  shared = jax.shard_map(
    taken, mesh=mesh, in_specs=(share, whole), out_specs=share, check_vma=check
  )
  found = jax.jit(shared)(ROWS, np.array([1, 0]))
  np.testing.assert_array_equal(found, 2 * ROWS[[1, 0, 3, 2]])


def test_a_form_can_be_named(taken):
  np.testing.assert_array_equal(taken(ROWS, PLACES, form="product"), -2 * ROWS[PLACES])
  with pytest.raises(UserError, match="form"):
    taken(ROWS, PLACES, form="prodct")


def test_all_that_have_two_forms_can_be_compiled_for_a_tpu():
  key = jax.random.key(0)

  def all_of_them(key, images, permutation):
    keys = jax.random.split(key, len(images))
    wide = images / np.float32(255)
    half = recombination.half_spectrum(wide)
    return (
      crop_flip.random_crop(key, images, 2, 0),
      jax.vmap(lambda key, image: ops.random_op(key, image, 3.0))(keys, images),
      permuted.permuted(wide, permutation),
      recombination.from_half_spectrum(jnp.abs(half), recombination.phase_factor(half), wide.shape),
      jax.vmap(lambda key, image: random_transform(key, image, RELEASED))(keys, wide),
    )

  program = of_platform(all_of_them, "tpu", key, IMAGES, PLACES)
  assert "stablehlo.fft" not in program
  assert "stablehlo.fft" in of_platform(all_of_them, "cuda", key, IMAGES, PLACES)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_what_is_called_once_is_compiled_without_optimisation_for_a_cpu_alone(platform):
  with (
    mock.patch.object(jax, "default_backend", return_value=platform),
    mock.patch.object(jax, "jit", wraps=jax.jit) as jit,
  ):
    result = forms.call_once(lambda rows, one: rows - one, ROWS, 1)
  np.testing.assert_array_equal(result, ROWS - 1)
  options = jit.call_args.kwargs["compiler_options"] or {}
  assert options.get("xla_backend_optimization_level") == (0 if platform == "cpu" else None)

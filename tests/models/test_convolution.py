"""The convolution's form for CPUs against JAX's own, which all other devices get."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from apr_jax.in_memory import in_memory
from apr_jax.models import convolution, layers

RANDOM = np.random.default_rng(0)
AXES = ("NHWC", "HWIO", "NHWC")
# {what is special: (side of the image, channels, features, side of the kernel, stride, padding,
# groups, dilation)}
VARIANTS = {
  "plain": (6, 4, 6, 3, 1, 1, 1, 1),
  "padding above a kernel's": (5, 4, 6, 3, 1, 3, 1, 1),
  "stride": (6, 4, 6, 3, 2, 1, 1, 1),
  "stride, odd image": (7, 4, 6, 3, 2, 1, 1, 1),
  "stride of a large kernel": (9, 3, 6, 7, 2, 3, 1, 1),
  "stride above the kernel": (8, 4, 6, 2, 3, 0, 1, 1),
  "one pixel": (5, 4, 6, 1, 1, 0, 1, 1),
  "one pixel, padded": (4, 4, 6, 1, 1, 1, 1, 1),
  "one pixel, stride": (6, 4, 6, 1, 2, 0, 1, 1),
  "groups": (5, 4, 6, 3, 1, 1, 2, 1),
  "groups, stride": (6, 4, 6, 3, 2, 1, 2, 1),
  "dilation": (6, 4, 6, 3, 1, 2, 1, 2),
  "dilation, stride": (7, 4, 6, 3, 2, 2, 1, 2),
  "Winograd's": (6, 64, 66, 3, 1, 1, 1, 1),
  "Winograd's, without padding": (6, 64, 64, 3, 1, 0, 1, 1),
  "Winograd's, its gradient too": (6, 130, 128, 3, 1, 1, 1, 1),
  "many channels, odd image": (5, 64, 64, 3, 1, 1, 1, 1),
  "few features of many channels": (6, 20, 4, 3, 1, 1, 1, 1),
}


def arguments(variant, dtype=np.float32):
  side, channels, features, kernel, stride, padding, groups, dilation = VARIANTS[variant]
  x = RANDOM.normal(size=(2, side, side + side % 2, channels)).astype(dtype)
  weights = RANDOM.normal(size=(kernel, kernel, channels // groups, features)).astype(dtype)
  options = {
    "window_strides": (stride, stride),
    "padding": 2 * ((padding, padding),),
    "rhs_dilation": (dilation, dilation),
    "dimension_numbers": AXES,
    "feature_group_count": groups,
  }
  return x, weights, options


def ours(x, kernel, window_strides, padding, **options):
  return convolution.convolve(in_memory(x), kernel, window_strides, padding, **options)


def energy(convolve, options, x, kernel):
  return jnp.square(convolve(x, kernel, **options)).mean()


def assert_equal(found, expected, tolerance=1e-5):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max()),
    found,
    expected,
  )


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_and_gradients_are_jaxs(variant):
  x, kernel, options = arguments(variant)
  found, expected = (
    jax.jit(
      lambda x, kernel, c=c: (
        c(x, kernel, **options),
        jax.grad(functools.partial(energy, c, options), (0, 1))(x, kernel),
      )
    )(x, kernel)
    for c in (ours, lax.conv_general_dilated)
  )
  assert_equal(found, expected)


@pytest.mark.parametrize("variant", ["stride", "groups"])
def test_derivatives_of_gradients_are_jaxs(variant):
  x, kernel, options = arguments(variant)

  def second(c, x, kernel):
    gradients = jax.grad(functools.partial(energy, c, options), (0, 1))
    forward = jax.jvp(gradients, (x, kernel), (jnp.cos(x), jnp.sin(kernel)))[1]
    backward = jax.grad(lambda *a: sum(jnp.sin(g).sum() for g in gradients(*a)), (0, 1))(x, kernel)
    return forward, backward

  found, expected = (
    jax.jit(functools.partial(second, c))(x, kernel) for c in (ours, lax.conv_general_dilated)
  )
  assert_equal(found, expected)


def test_it_maps_over_images_and_over_kernels():
  x, kernel, options = arguments("stride")
  kernels = np.stack([kernel, 2 * kernel])

  def of_each(c):
    each_kernel = jax.vmap(lambda kernel: c(x, kernel, **options))(kernels)
    each_image = jax.vmap(
      jax.grad(lambda x: energy(c, options, x[None], kernel))  # as an attack on each image alone
    )(x)
    return each_kernel, each_image

  assert_equal(of_each(ours), of_each(lax.conv_general_dilated))


def test_bfloat16_stays_bfloat16():
  x, kernel, options = arguments("Winograd's", jnp.bfloat16)
  gradients = jax.grad(lambda *a: ours(*a, **options).astype(jnp.float32).sum(), (0, 1))(x, kernel)
  out = ours(x, kernel, **options)
  assert {out.dtype, *(g.dtype for g in gradients)} == {jnp.dtype(jnp.bfloat16)}
  expected = lax.conv_general_dilated(x, kernel, **options)
  assert_equal(out.astype(np.float32), expected.astype(np.float32), tolerance=0.02)


@pytest.mark.parametrize("variant", ["Winograd's", "groups, stride", "dilation", "one pixel"])
@pytest.mark.parametrize("precision", [None, "highest"])
def test_other_devices_get_the_program_they_would_have_without(variant, precision):
  x, kernel, options = arguments(variant)

  def program(c, platform):
    # Function names stand in the text.
    def step(x, kernel):
      return jax.value_and_grad(functools.partial(energy, c, options), (0, 1))(x, kernel)

    with jax.default_matmul_precision(precision):
      return jax.jit(step).trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()

  for platform in ("cuda", "tpu"):
    assert program(ours, platform) == program(lax.conv_general_dilated, platform)
  assert "optimization_barrier" in program(ours, "cpu")


def test_one_exported_program_serves_cpus_and_others():
  x, kernel, options = arguments("stride")
  exported = jax.export.export(
    jax.jit(lambda x, kernel: ours(x, kernel, **options)), platforms=("cpu", "cuda", "tpu")
  )(x, kernel)
  assert_equal(exported.call(x, kernel), lax.conv_general_dilated(x, kernel, **options))


def test_what_is_no_such_convolution_is_left_to_jax():
  x, kernel, options = arguments("plain")
  for change in ({"padding": "SAME"}, {"padding": ((-1, 0), (0, 0))}, {"lhs_dilation": (2, 1)}):
    changed = options | change
    assert_equal(ours(x, kernel, **changed), lax.conv_general_dilated(x, kernel, **changed))
  line = nn.Conv(3, (3,), conv_general_dilated=convolution.convolve)
  plain = nn.Conv(3, (3,))
  signal = x[:, 0]
  variables = plain.init(jax.random.key(0), signal)
  assert_equal(line.apply(variables, signal), plain.apply(variables, signal))


def test_the_networks_convolutions_are_these():
  layer = layers.conv(6, 3, 2, name="conv", dtype=jnp.float32)
  x, kernel, _ = arguments("stride")
  program = jax.make_jaxpr(lambda x: layer.apply({"params": {"kernel": kernel}}, x))(x)
  assert "convolve" in {equation.primitive.name for equation in program.eqns}

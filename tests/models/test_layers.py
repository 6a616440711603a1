"""The shared layers against their PyTorch originals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.models import initializers, layers

RANDOM = np.random.default_rng(0)


def images(*shape, shift=0.0):
  return RANDOM.normal(shift, 2, shape).astype(np.float32)


def channels_first(x):
  return np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1))


def test_batch_norm_is_torchs_over_several_batches():
  torch = pytest.importorskip("torch")
  theirs = torch.nn.BatchNorm2d(3)
  ours = layers.BatchNorm()
  scale, bias = np.array([0.5, 1.5, -2.0], np.float32), np.array([1.0, 0.0, -1.0], np.float32)
  with torch.no_grad():
    theirs.weight.copy_(torch.from_numpy(scale))
    theirs.bias.copy_(torch.from_numpy(bias))
  statistics = ours.init(jax.random.key(0), images(2, 4, 4, 3), train=True)["batch_stats"]
  np.testing.assert_array_equal(statistics["mean"], np.zeros(3))
  np.testing.assert_array_equal(statistics["var"], np.ones(3))

  def variables():
    return {"params": {"scale": scale, "bias": bias}, "batch_stats": statistics}

  for step in range(4):
    # Few values per channel, so that the biased and the unbiased variance differ visibly.
    batch = images(2, 2, 2, 3, shift=step)
    out, updates = ours.apply(variables(), batch, train=True, mutable=["batch_stats"])
    statistics = updates["batch_stats"]
    np.testing.assert_allclose(
      channels_first(out),
      theirs(torch.from_numpy(channels_first(batch))).detach(),
      rtol=1e-4,
      atol=1e-5,
    )
    np.testing.assert_allclose(statistics["mean"], theirs.running_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(statistics["var"], theirs.running_var, rtol=1e-5)
  theirs.eval()
  batch = images(2, 2, 2, 3, shift=5)
  out = ours.apply(variables(), batch, train=False)
  np.testing.assert_allclose(
    channels_first(out),
    theirs(torch.from_numpy(channels_first(batch))).detach(),
    rtol=1e-4,
    atol=1e-5,
  )


def test_batch_norm_in_training_does_not_read_the_running_statistics():
  batch = images(2, 4, 4, 3)
  norm = layers.BatchNorm()
  variables = norm.init(jax.random.key(0), batch, train=True)
  other = variables | {"batch_stats": jax.tree.map(lambda x: x + 7, variables["batch_stats"])}

  def train(v):
    return norm.apply(v, batch, train=True, mutable=["batch_stats"])[0]

  np.testing.assert_array_equal(train(variables), train(other))
  assert (
    np.abs(norm.apply(variables, batch, train=False) - norm.apply(other, batch, train=False)).max()
    > 0.5
  )


def test_synchronised_batch_norm_is_that_of_the_whole_batch():
  batch = images(8, 3, 3, 2) + np.arange(8).reshape(-1, 1, 1, 1)
  whole = layers.BatchNorm()
  variables = whole.init(jax.random.key(0), batch, train=True)
  expected, expected_updates = whole.apply(variables, batch, train=True, mutable=["batch_stats"])

  def on_devices(norm):
    apply = jax.pmap(
      lambda v, x: norm.apply(v, x, train=True, mutable=["batch_stats"]),
      axis_name="devices",
      in_axes=(None, 0),
    )
    return apply(variables, batch.reshape(4, 2, 3, 3, 2))

  out, updates = on_devices(layers.BatchNorm(axis_name="devices"))
  np.testing.assert_allclose(np.reshape(out, batch.shape), expected, rtol=1e-4, atol=1e-5)
  for device in range(4):
    for name in ("mean", "var"):  # unbiased by the number of values on all devices
      np.testing.assert_allclose(
        updates["batch_stats"][name][device], expected_updates["batch_stats"][name], rtol=1e-5
      )
  # Without a name each device has its own statistics.
  _, apart = on_devices(layers.BatchNorm())
  assert np.ptp(apart["batch_stats"]["mean"], axis=0).min() > 0.1


def test_batch_norm_of_bfloat16_keeps_float32_statistics():
  batch = jnp.asarray(images(2, 4, 4, 3), jnp.bfloat16)
  norm = layers.BatchNorm(dtype=jnp.bfloat16)
  variables = norm.init(jax.random.key(0), batch, train=True)
  out, updates = norm.apply(variables, batch, train=True, mutable=["batch_stats"])
  assert out.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves((variables, updates))} == {jnp.dtype("float32")}
  expected = 0.1 * np.asarray(batch, np.float64).mean((0, 1, 2))
  np.testing.assert_allclose(updates["batch_stats"]["mean"], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(
  "kernel, stride, padding, groups",
  [
    (3, 1, None, 1),
    (3, 2, None, 1),
    (1, 2, None, 1),
    (3, 2, None, 2),
    (1, 1, 1, 1),
    (3, 1, 0, 1),
    (5, 2, None, 1),
  ],
)
def test_convolution_is_padded_as_torchs(size, kernel, stride, padding, groups):
  torch = pytest.importorskip("torch")
  batch = images(2, size, size, 4)
  conv = layers.conv(
    6,
    kernel,
    stride,
    name="conv",
    dtype=jnp.float32,
    padding=padding,
    groups=groups,
    use_bias=True,
    bias_init=initializers.torch_bias(4),
  )
  variables = conv.init(jax.random.key(1), batch)
  weight = np.array(variables["params"]["kernel"]).transpose(3, 2, 0, 1)
  bias = np.array(variables["params"]["bias"])
  expected = torch.nn.functional.conv2d(
    *map(torch.from_numpy, (channels_first(batch), weight, bias)),
    stride=stride,
    groups=groups,
    padding=kernel // 2 if padding is None else padding,
  )
  np.testing.assert_allclose(
    channels_first(conv.apply(variables, batch)), expected, rtol=1e-4, atol=1e-4
  )


def test_convolution_has_no_bias_unless_asked():
  conv = layers.conv(6, 3, name="conv", dtype=jnp.float32)
  assert conv.init(jax.random.key(0), images(1, 4, 4, 2))["params"].keys() == {"kernel"}


def test_he_normal_is_normal_with_the_fan_out():
  kernel = np.asarray(initializers.he_normal(jax.random.key(0), (3, 3, 16, 256)))
  std = np.sqrt(2 / (3 * 3 * 256))
  assert kernel.std() == pytest.approx(std, rel=0.02)
  assert abs(kernel.mean()) < 0.02 * std
  # Normal and not truncated: a few of 36,864 values lie beyond three standard deviations (expected:
  # 0.27 %).
  assert np.mean(np.abs(kernel) > 3 * std) == pytest.approx(0.0027, rel=0.4)


@pytest.mark.parametrize("shape, fan_in", [((3, 3, 64, 32), 3 * 3 * 64), ((640, 100), 640)])
def test_torch_uniform_is_uniform_within_one_over_the_root_of_the_fan_in(shape, fan_in):
  kernel = np.abs(np.asarray(initializers.torch_uniform(jax.random.key(0), shape)))
  bound = fan_in**-0.5
  assert 0.999 * bound < kernel.max() <= bound * (1 + 1e-6)
  assert kernel.mean() == pytest.approx(bound / 2, rel=0.02)


def test_torch_bias_is_uniform_within_one_over_the_root_of_the_fan_in():
  bias = np.asarray(initializers.torch_bias(400)(jax.random.key(0), (5000,)))
  assert bias.dtype == np.float32
  assert 0.0499 < bias.max() <= 0.05 and -0.05 <= bias.min() < -0.0499
  assert abs(bias.mean()) < 0.001


def test_torch_initialisers_have_torchs_bounds():
  torch = pytest.importorskip("torch")
  theirs = torch.nn.Conv2d(16, 200, 3)
  ours = (
    initializers.torch_uniform(jax.random.key(0), (3, 3, 16, 200)),
    initializers.torch_bias(144)(jax.random.key(1), (200,)),
  )
  for our, their in zip(ours, (theirs.weight, theirs.bias)):
    assert np.abs(our).max() == pytest.approx(float(their.detach().abs().max()), rel=0.02)


def test_global_average_pool_sums_in_float32():
  batch = images(2, 4, 6, 3)
  np.testing.assert_allclose(
    layers.global_average_pool(batch), batch.astype(np.float64).mean((1, 2)), atol=1e-6
  )
  # 4096 ones and a half sum exactly in float32, not in bfloat16.
  ones = jnp.ones((1, 64, 64, 1), jnp.bfloat16).at[0, 0, 0, 0].set(0.5)
  pooled = layers.global_average_pool(ones)
  assert pooled.dtype == jnp.float32 and pooled[0, 0] == np.float32(4095.5 / 4096)

"""The first layer's kernel against SciPy's cosine transform and NumPy in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft

from apr_jax import filters, optimizers
from apr_jax.errors import UserError
from apr_jax.models import first_layer
from apr_jax.models.first_layer import FirstLayer, deal

RANDOM = np.random.default_rng(0)
# Bands of the basis functions, row u, column v, as computed once for 32 × 32 bins.
BANDS = {
  3: ["001", "012", "122"],
  5: ["00011", "00012", "00112", "11122", "12222"],
}
MODULATED = {
  name: FirstLayer(kind="modulation", modulation=name) for name in first_layer.MODULATIONS
}


def bands(side):
  return np.array([[int(band) for band in row] for row in BANDS[side]])


def draw(side, count=6, channels=3):
  return RANDOM.normal(size=(side, side, channels, count)).astype(np.float32)


def draw_logits(layer, shape):
  logits_shape = layer.logits_shape(shape)
  return None if logits_shape is None else RANDOM.normal(size=logits_shape).astype(np.float32)


def modulated(coefficients, logits, noise=0.0, gained=None):
  """The modulated kernel in float64, filter by filter.

  Args:
    noise: added to the logarithm of a filter's gains, `[O, n]` or 0.
    gained: of which gain a coefficient is, `[k, k]`; default: that of its band.
  """
  coefficients = coefficients.astype(np.float64)
  gained = bands(len(coefficients)) if gained is None else gained
  number, count = gained.max() + 1, coefficients.shape[-1]
  logits = np.zeros(number) if logits is None else logits.astype(np.float64)
  logits = np.broadcast_to(logits, (count, number))
  noise = np.broadcast_to(noise, (count, number))
  kernel = np.zeros_like(coefficients)
  for one in range(count):
    gains = number * np.exp(logits[one]) / np.exp(logits[one]).sum() * np.exp(noise[one])
    own = coefficients[..., one]
    changed = own * np.sqrt(gains)[gained][:, :, None]
    changed *= np.linalg.norm(own) / np.linalg.norm(changed)
    kernel[..., one] = fft.idctn(changed, axes=(0, 1), norm="ortho")
  return kernel


@pytest.mark.parametrize("side", [3, 4, 7])
def test_the_coefficients_are_scipys_and_make_the_kernel_again(side):
  kernel = draw(side)
  layer = FirstLayer(kind="modulation")
  coefficients = layer.start(kernel)
  expected = fft.dctn(kernel.astype(np.float64), axes=(0, 1), norm="ortho")
  np.testing.assert_allclose(coefficients, expected, atol=1e-5)
  # without logits, and with those of the start, gains are 1
  np.testing.assert_allclose(layer.kernel(coefficients), kernel, atol=1e-6)
  logits = np.zeros(layer.logits_shape(kernel.shape), np.float32)
  np.testing.assert_allclose(layer.kernel(coefficients, logits), kernel, atol=1e-6)


@pytest.mark.parametrize("side", BANDS)
@pytest.mark.parametrize("name", MODULATED)
def test_gains_move_power_between_bands_and_add_none(name, side):
  layer, coefficients = MODULATED[name], draw(side)
  logits = draw_logits(layer, coefficients.shape)
  kernel = layer.kernel(coefficients, logits)
  gained = np.arange(side * side).reshape(side, side) if name == "per_coefficient" else None
  np.testing.assert_allclose(kernel, modulated(coefficients, logits, gained=gained), atol=1e-5)
  lengths = np.linalg.norm(kernel.reshape(-1, 6), axis=0)
  np.testing.assert_allclose(lengths, np.linalg.norm(coefficients.reshape(-1, 6), axis=0), 1e-5)


@pytest.mark.parametrize("name", MODULATED)
def test_the_gains_that_were_learnt_have_mean_one(name):
  layer, shape = MODULATED[name], (3, 3, 3, 6)
  logits = draw_logits(layer, shape)
  params = {"network": {"inner": {"conv1": {"coefficients": draw(3)}}, "fc": {"bias": np.ones(2)}}}
  if logits is None:
    assert layer.gains(params) is None
    return
  params["network"]["inner"]["conv1"]["gain_logits"] = logits
  gains = layer.gains(params)
  assert gains.shape == ((1, 3) if name == "shared" else (6, logits.shape[-1]))
  exponentials = np.exp(np.atleast_2d(logits).astype(np.float64))
  np.testing.assert_allclose(gains, exponentials / exponentials.mean(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("name", MODULATED)
def test_each_filters_gains_are_perturbed_with_mean_one(name):
  sigma = 0.7
  layer, coefficients = dataclasses.replace(MODULATED[name], sigma=sigma), draw(3)
  logits, key = draw_logits(layer, coefficients.shape), jax.random.key(5)
  number = 9 if name == "per_coefficient" else 3
  noise = sigma * np.asarray(jax.random.normal(key, (6, number)), np.float64) - sigma**2 / 2
  gained = np.arange(9).reshape(3, 3) if number == 9 else None
  np.testing.assert_allclose(
    layer.kernel(coefficients, logits, key),
    modulated(coefficients, logits, noise, gained),
    atol=1e-5,
  )
  assert np.exp(sigma * RANDOM.normal(size=200_000) - sigma**2 / 2).mean() == pytest.approx(1, 0.01)
  # without a key, as in evaluation, sigma changes nothing
  np.testing.assert_array_equal(
    layer.kernel(coefficients, logits), MODULATED[name].kernel(coefficients, logits)
  )


@pytest.mark.parametrize("name", ["per_filter", "shared", "per_coefficient"])
def test_the_gradient_of_the_gains_is_the_difference_quotient(name):
  layer, coefficients, weights = MODULATED[name], draw(3), draw(3)
  logits = draw_logits(layer, coefficients.shape)
  gained = np.arange(9).reshape(3, 3) if name == "per_coefficient" else None
  gradient = jax.jit(jax.grad(lambda m: (layer.kernel(coefficients, m) * weights).sum()))(logits)
  assert np.abs(gradient).min() > 1e-4  # each gain is reached
  for place in [(1,)] if name == "shared" else [(0, 0), (1, 2)]:
    ends = []
    for step in (1e-5, -1e-5):
      moved = logits.astype(np.float64)
      moved[place] += step
      ends.append((modulated(coefficients, moved, gained=gained) * weights).sum())
    assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3, abs=1e-4)


def test_filters_of_zeros_and_gains_that_vanish_have_finite_gradients():
  layer, coefficients = MODULATED["per_filter"], draw(3, count=2)
  coefficients[..., 0] = 0
  logits = np.float32([[0, 0, 0], [300, 0, -300]])

  def loss(coefficients, logits):
    return jnp.square(layer.kernel(coefficients, logits) - 1).sum()

  assert not np.any(layer.kernel(coefficients, logits)[..., 0])
  gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))(coefficients, logits)
  assert all(np.isfinite(x).all() for x in gradients)


@pytest.mark.parametrize(
  "proportion, count, expected",
  [
    ((1 / 3, 1 / 3, 1 / 3), 64, [22, 21, 21]),
    ((1 / 3, 1 / 3, 1 / 3), 16, [6, 5, 5]),
    ((0.2, 0.4, 0.4), 64, [13, 26, 25]),  # 12.8, 25.6, 25.6
    ((0.25, 0.375, 0.375), 18, [4, 7, 7]),  # 4.5, 6.75, 6.75
    ((0.5, 0.25, 0.25), 3, [1, 1, 1]),  # 1.5, 0.75, 0.75
    ((1.0, 0.0, 0.0), 96, [96, 0, 0]),
    ((0.0, 0.0, 1.0), 24, [0, 0, 24]),
    ((0.9, 0.1, 0.0), 4, [4, 0, 0]),
  ],
)
def test_filters_are_dealt_out_by_largest_remainder(proportion, count, expected):
  assert deal(proportion, count) == expected


@pytest.mark.parametrize("side", BANDS)
def test_a_filter_has_the_coefficients_of_its_band_and_starts_with_the_length_of_a_plain_one(side):
  count = 3 * 400
  kernel = draw(side, count)
  layer = FirstLayer(kind="proportion")
  coefficients = np.asarray(layer.start(kernel))
  plain = fft.dctn(kernel.astype(np.float64), axes=(0, 1), norm="ortho")
  for band in range(3):
    block = slice(400 * band, 400 * (band + 1))
    inside = bands(side) == band
    scale = np.sqrt(side * side / inside.sum())
    np.testing.assert_allclose(
      coefficients[..., block], scale * plain[..., block] * inside[:, :, None, None], atol=1e-5
    )
    squares = np.square(coefficients[..., block]).sum((0, 1, 2))
    assert squares.mean() == pytest.approx(3 * side * side, rel=0.05)
  # Coefficients outside, should there be any, do not reach the kernel.
  np.testing.assert_allclose(
    layer.kernel(coefficients), layer.kernel(coefficients + 1e3 * (coefficients == 0)), atol=1e-4
  )


# Mean shares of power of 1,000 filters of one class, computed in NumPy, and the class.
PURE = {
  3: [(0.73, 0.20, 0.06), (0.22, 0.50, 0.28), (0.04, 0.27, 0.69)],
  5: [(0.79, 0.14, 0.06), (0.21, 0.56, 0.22), (0.01, 0.24, 0.76)],
  7: [(0.81, 0.15, 0.05), (0.15, 0.62, 0.23), (0.00, 0.16, 0.84)],
}


@pytest.mark.parametrize("side", PURE)
def test_every_filter_of_a_class_is_measured_as_one_of_it(side):
  for band, expected in enumerate(PURE[side]):
    layer = FirstLayer(kind="proportion", proportion=tuple(np.eye(3)[band]))
    shares = filters.band_shares(layer.kernel(layer.start(draw(side, count=500))))
    np.testing.assert_allclose(shares.mean(0), expected, atol=0.015)
    assert (np.argmax(shares, axis=1) == band).all()


def test_masked_coefficients_stay_zero_while_others_are_trained():
  layer, target = FirstLayer(kind="proportion"), draw(3)
  rule = optimizers.make_optimizer(
    dataclasses.replace(Sgd(), weight_decay=0.01), lambda step: 0.1, 0.9
  )
  params = {"coefficients": layer.start(draw(3))}
  outside = np.asarray(params["coefficients"]) == 0
  assert outside.sum() == 3 * 6 * 6  # two thirds
  state = rule.init(params)
  gradient = jax.jit(jax.grad(lambda p: jnp.square(layer.kernel(p["coefficients"]) - target).sum()))
  for _ in range(3):
    updates, state = rule.update(gradient(params), state, params)
    params = jax.tree.map(jnp.add, params, updates)
  after = np.asarray(params["coefficients"])
  assert not after[outside].any() and after[~outside].all()


@dataclasses.dataclass(frozen=True)
class Sgd:
  """The settings of an optimizer."""

  name: str = "sgd"
  nesterov: bool = True
  weight_decay: float = 0.1
  decay_norms: bool = True
  clip_norm: float = 0.0


def test_gains_do_not_decay_and_coefficients_do():
  params = {"conv1": {"coefficients": draw(3), "gain_logits": np.ones((6, 3), np.float32)}}
  rule = optimizers.make_optimizer(Sgd(), lambda step: 1.0, 0.0)
  gradient = jax.tree.map(np.zeros_like, params)
  updates, _ = rule.update(gradient, rule.init(params), params)
  np.testing.assert_allclose(
    updates["conv1"]["coefficients"], -0.1 * params["conv1"]["coefficients"], rtol=1e-6
  )
  assert not np.any(updates["conv1"]["gain_logits"])
  assert first_layer.LOGITS in optimizers.UNDECAYED


def test_a_soft_proportion_is_a_distance_of_mean_shares_that_training_lowers():
  wanted = (0.6, 0.3, 0.1)
  layer = FirstLayer(kind="proportion", proportion=wanted, soft=True, beta=2.0)
  coefficients = draw(3, count=8)
  params = {"network": {"conv1": {"coefficients": coefficients}}}
  kernel = fft.idctn(coefficients.astype(np.float64), axes=(0, 1), norm="ortho")
  np.testing.assert_allclose(layer.kernel(coefficients), kernel, atol=1e-6)  # no mask
  power = np.square(np.abs(np.fft.fft2(kernel, (32, 32), axes=(0, 1)))).sum(2)
  radius = np.hypot(*np.meshgrid(2 * np.fft.fftfreq(32), 2 * np.fft.fftfreq(32)))
  shares = np.stack(
    [power[(low < radius) & (radius <= high)].sum(0) for low, high in zip(*EDGES)]
  ) / power.sum((0, 1))
  expected = 2 * np.square(shares.mean(1) - wanted).sum()
  assert float(layer.penalty(params)) == pytest.approx(expected, rel=1e-4)
  distances = []
  step = jax.jit(jax.value_and_grad(layer.penalty))
  for _ in range(40):
    value, gradient = step(params)
    params = jax.tree.map(lambda x, g: x - 8 * g, params, gradient)
    distances.append(float(value))
  assert distances[-1] < 0.1 * distances[0]


EDGES = ((-1, 0.65, 0.92), (0.65, 0.92, 2))


@pytest.mark.parametrize(
  "layer",
  [FirstLayer(), FirstLayer(kind="proportion"), FirstLayer(kind="modulation", kernel_size=7)],
)
def test_other_layers_add_nothing_to_the_loss(layer):
  assert layer.penalty({}) == 0


def test_folding_leaves_a_kernel_where_coefficients_and_gains_were():
  layer, coefficients = MODULATED["per_filter"], draw(5)
  logits, bias, fc = draw_logits(layer, coefficients.shape), np.ones(6), {"kernel": np.ones((2, 3))}
  conv = {"coefficients": coefficients, "gain_logits": logits, "bias": bias}
  variables = {"params": {"network": {"conv1": conv, "fc": fc}}, "batch_stats": {"bn": bias}}
  folded = layer.fold(variables)
  found = folded["params"]["network"]
  assert found["conv1"].keys() == {"kernel", "bias"}
  np.testing.assert_array_equal(found["conv1"]["kernel"], layer.kernel(coefficients, logits))
  assert found["conv1"]["bias"] is bias and found["fc"] == fc
  assert folded["batch_stats"] is variables["batch_stats"]
  assert variables["params"]["network"]["conv1"].keys() == conv.keys()  # left as they are
  assert FirstLayer(kernel_size=7).fold(variables) is variables
  assert dataclasses.replace(layer, kernel_size=5).folded() == FirstLayer(kernel_size=5)


def test_what_is_on():
  assert not first_layer.PLAIN.on
  assert FirstLayer(kernel_size=7).on and FirstLayer(kind="proportion").on


def test_what_a_setting_may_be_at_its_edges():
  rules = {field.name: field.metadata["rule"] for field in dataclasses.fields(FirstLayer)}
  assert all(rules["kernel_size"](size) for size in (0, 3, 31))
  assert not any(rules["kernel_size"](size) for size in (1, 2, 4, 33))
  assert rules["proportion"]((0.0, 0.0, 1.0)) and not rules["proportion"]((-0.5, 0.5, 1.0))
  assert rules["beta"](0.0) and rules["sigma"](0.0)


@pytest.mark.parametrize(
  "layer, words",
  [
    (FirstLayer(sigma=0.5), "first_layer.sigma is for kind modulation, and the kind is plain"),
    (FirstLayer(kind="proportion", sigma=0.5), "sigma is for kind modulation"),
    (FirstLayer(kind="modulation", soft=True), "soft is for kind proportion"),
  ],
)
def test_settings_that_would_change_nothing_are_refused(layer, words):
  with pytest.raises(UserError, match=words) as error:
    layer.check()
  assert "\n" not in str(error.value)


def test_filters_without_a_frequency_in_their_band_are_refused():
  with pytest.raises(UserError, match=r"1×1 pixels have no frequencies in some band .*kernel_size"):
    FirstLayer(kind="proportion").start(draw(1))

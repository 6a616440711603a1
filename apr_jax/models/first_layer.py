"""The first layer by the frequencies of its filters: a fixed proportion, or one that is learnt.

A filter of k × k pixels is w = Σ_uv a_uv B_uv, with the orthonormal DCT-II basis B of
`filters.dct_basis`. So a = B w has the length of w, and gradients keep their geometry. Each basis
function lies in a band, low, middle or high: `filters.dct_bands`.

- "proportion" deals the filters out to the bands, and holds a filter's coefficients outside its
  band at zero; or, softly, pulls the mean shares of the bands (`filters.band_shares`) to the
  proportion.
- "modulation" gives each filter a gain on its power per band, learnt with the rest: g = 3 ·
  softmax(m), which is 1 at the start. The filter then gets back the length it had, so that gains
  move power between the bands and add none. In training g may be perturbed.

Either way the layer is a convolution by a kernel that is a function of its parameters, and `fold`
puts that kernel in their place. `stand_in` brings it into a network.

Jia, Bao and Ma, Exploring Frequency Domain Interpretation of Convolutional Neural Networks
(https://arxiv.org/abs/1911.12044), control the proportion of filters of different frequency, and
modulate it with a perturbation of the power spectrum. Only their abstract is public: every
definition here is ours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import filters
from apr_jax.errors import UserError
from apr_jax.settings import Rule, at_least, numbers, one_of, setting

KINDS = ("plain", "proportion", "modulation")
MODULATIONS = ("per_filter", "shared", "per_coefficient", "none")
KERNEL_SIZES = Rule(
  "0, or an odd number in 3..31", lambda size: size == 0 or (3 <= size <= 31 and size % 2 == 1)
)

# What stands in a network's parameters in place of the kernel. Logits have no weight decay:
# `optimizers.UNDECAYED` knows their name.
COEFFICIENTS, LOGITS = "coefficients", "gain_logits"

# Added to squared lengths, so that the gradient of a filter of zeros is finite. Its square is a
# float32 too.
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class FirstLayer:
  """The first convolution, of any network, by the frequencies of its filters."""

  kind: str = setting(
    "plain",
    "plain = as the network has it; proportion = filters dealt out to the bands of frequency; "
    "modulation = each filter's power in the bands is learnt",
    one_of(KINDS),
  )
  kernel_size: int = setting(
    0, "side of the filters in pixels, padded by half of it; 0 = the network's own", KERNEL_SIZES
  )
  proportion: tuple[float, ...] = setting(
    (1 / 3, 1 / 3, 1 / 3),
    "of a proportion: shares of the low, middle and high filters",
    numbers(
      "three shares, 0 or more, that sum to 1",
      3,
      lambda shares: min(shares) >= 0 and abs(sum(shares) - 1) < 1e-6,
    ),
  )
  soft: bool = setting(
    False,
    "of a proportion: filters of all frequencies, whose mean shares of power are pulled to it",
  )
  beta: float = setting(
    1.0,
    "of a soft proportion: weight of the squared distance in the loss; 0 = filters are free",
    at_least(0),
  )
  modulation: str = setting(
    "per_filter",
    "whose gains are learnt: of each filter's bands, of the bands of all filters (shared), of each "
    "filter's k · k coefficients, or none, which stay 1",
    one_of(MODULATIONS),
  )
  sigma: float = setting(
    0.0,
    "of a modulation: in training each step multiplies each filter's gains by exp(σξ − σ²/2), each "
    "with a ξ of its own, normal; 0 = off; our choice where it is on: 0.5",
    at_least(0),
  )

  @property
  def on(self) -> bool:
    """Whether anything differs from the network's own layer."""
    return self.kind != "plain" or self.kernel_size > 0

  def check(self) -> None:
    """Refuses settings that would change nothing.

    Raises:
      UserError: names the setting and the kind that it needs.
    """
    for name, kind in (("soft", "proportion"), ("sigma", "modulation")):
      if getattr(self, name) and self.kind != kind:
        raise UserError(
          f"model.first_layer.{name} is for kind {kind}, and the kind is {self.kind}: set "
          f"model.first_layer.kind={kind}, or leave {name} out"
        )

  def start(self, kernel: jax.Array) -> jax.Array:
    """The coefficients that training starts from.

    Args:
      kernel: float `[k, k, C, O]`, drawn as the network draws its own.

    Returns:
      `[k, k, C, O]`, frequencies first. They are the kernel's own; of a proportion those in each
      filter's band, by √(k² / number of them), so that the expected length of a filter stays.
    """
    coefficients = jnp.einsum("uvyx,yxco->uvco", _basis(kernel), kernel, precision="highest")
    mask = self._mask(kernel.shape)
    return coefficients * (mask / np.sqrt(mask.mean((0, 1, 2))))

  def logits_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of the logits of the gains, n to each sum; None where no gain is learnt.

    Args:
      shape: of the kernel, (k, k, C, O).
    """
    if self.kind != "modulation":
      return None
    return {
      "per_filter": (shape[-1], len(filters.BANDS)),
      "shared": (len(filters.BANDS),),
      "per_coefficient": (shape[-1], shape[0] * shape[1]),
      "none": None,
    }[self.modulation]

  def kernel(
    self, coefficients: jax.Array, logits: jax.Array | None = None, key: jax.Array | None = None
  ) -> jax.Array:
    """The kernel that convolves.

    Args:
      coefficients: float `[k, k, C, O]`.
      logits: of the gains, of `logits_shape`.
      key: PRNG key that perturbs the gains by `sigma`; None leaves them.

    Returns:
      float `[k, k, C, O]`.
    """
    if self.kind == "modulation":
      effective = self._modulate(coefficients, logits, key)
    else:
      effective = coefficients * self._mask(coefficients.shape)
    return jnp.einsum("uvyx,uvco->yxco", _basis(coefficients), effective, precision="highest")

  def penalty(self, params: Mapping[str, Any]) -> jax.Array | float:
    """What a soft proportion adds to the loss: β · ‖mean shares − proportion‖², `[]`.

    Args:
      params: of the network that the layer stands in.
    """
    if self.kind != "proportion" or not self.soft:
      return 0.0
    shares = filters.band_shares(self.kernel(_own(params)[COEFFICIENTS])).mean(0)
    return self.beta * jnp.square(shares - jnp.asarray(self.proportion)).sum()

  def gains(self, params: Mapping[str, Any]) -> np.ndarray | None:
    """The learnt gains on power, float32 `[O, n]`, or `[1, n]` where all filters share them; each
    row's mean is 1. None where none are learnt.

    n is 3, low, middle and high, or k · k, the coefficients by rows.
    """
    logits = _own(params).get(LOGITS) if self.kind == "modulation" else None
    if logits is None:
      return None
    return np.atleast_2d(np.asarray(logits.shape[-1] * jax.nn.softmax(jnp.asarray(logits))))

  def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables of the plain network with the same outputs: a kernel in place of coefficients
    and gains.

    Args:
      variables: "params" and the like of the network that the layer stands in.
    """
    if self.kind == "plain":
      return variables

    def fold_in(tree: Any) -> Any:
      if not isinstance(tree, Mapping):
        return tree
      if COEFFICIENTS not in tree:
        return {name: fold_in(inner) for name, inner in tree.items()}
      kept = {name: leaf for name, leaf in tree.items() if name not in (COEFFICIENTS, LOGITS)}
      return {"kernel": self.kernel(tree[COEFFICIENTS], tree.get(LOGITS)), **kept}

    return {**variables, "params": fold_in(variables["params"])}

  def folded(self) -> "FirstLayer":
    """The layer of the network whose variables `fold` gives: plain, of this size."""
    return FirstLayer(kernel_size=self.kernel_size)

  def _modulate(
    self, coefficients: jax.Array, logits: jax.Array | None, key: jax.Array | None
  ) -> jax.Array:
    side, _, _, count = coefficients.shape
    per_coefficient = self.modulation == "per_coefficient"
    number = side * side if per_coefficient else len(filters.BANDS)
    log_gains = jnp.zeros((count, number))
    if logits is not None:
      log_gains += jnp.log(number) + jax.nn.log_softmax(logits)
    if key is not None:
      drawn = jax.random.normal(key, log_gains.shape)
      log_gains += self.sigma * drawn - self.sigma**2 / 2
    # √g by its logarithm: its gradient is finite where a gain vanishes.
    roots = jnp.exp(log_gains / 2).T
    roots = roots.reshape(side, side, count) if per_coefficient else roots[filters.dct_bands(side)]
    changed = coefficients * roots[:, :, None]
    before, after = (jnp.square(x).sum((0, 1, 2)) + _TINY for x in (coefficients, changed))
    return changed * jnp.sqrt(before / after)

  def _mask(self, shape: tuple[int, ...]) -> np.ndarray:
    """1 where a filter may have a coefficient, else 0; float32 `[k, k, 1, O]`.

    Raises:
      UserError: a band has filters, and no basis function of this size.
    """
    side, count = shape[0], shape[-1]
    if self.kind != "proportion" or self.soft:
      return np.ones((side, side, 1, count), np.float32)
    classes = np.repeat(np.arange(len(filters.BANDS)), deal(self.proportion, count))
    mask = filters.dct_bands(side)[:, :, None, None] == classes
    if not mask.any((0, 1)).all():
      raise UserError(
        f"filters of {side}×{side} pixels have no frequencies in some band of "
        f"model.first_layer.proportion={self.proportion}; use a larger "
        f"model.first_layer.kernel_size"
      )
    return mask.astype(np.float32)


PLAIN = FirstLayer()
"""The network's own layer."""


def deal(proportion: tuple[float, ...], count: int) -> list[int]:
  """Deals `count` filters out by largest remainder; of equal remainders the first wins.

  Args:
    proportion: shares that sum to 1.
    count: of filters.

  Returns:
    how many each share gets; they sum to `count`.
  """
  # Rounded: thirds of 64 have remainders that are equal but for the last digit.
  exact = np.round(np.array(proportion) * count, 9)
  dealt = np.floor(exact).astype(int)
  first = np.argsort(dealt - exact, kind="stable")[: count - dealt.sum()]
  dealt[first] += 1
  return dealt.tolist()


def _basis(kernel: jax.Array) -> jax.Array:
  return jnp.asarray(filters.dct_basis(kernel.shape[0]), jnp.float32)


def _own(params: Mapping[str, Any]) -> Mapping[str, Any]:
  """The parameters of the first layer, wherever they are in a network's."""
  waiting: list[Any] = [params]
  while waiting:
    tree = waiting.pop()
    if isinstance(tree, Mapping):
      if COEFFICIENTS in tree:
        return tree
      waiting.extend(tree.values())
  raise KeyError(f"no {COEFFICIENTS} among the parameters")

"""AutoAugment: per image a pair of operations with probabilities and magnitudes, from a policy or
drawn anew.

As in `ops`, an operation is data, here a table, a warp and a blend of which at most one does
something: no branch per image.

Magnitudes are those of the authors' released CIFAR code (tensorflow/models, research/autoaugment),
in tenths; its 10 pixels of translation are scaled with the image. Other codes read the same table
differently: torchvision keeps 8 to 4 bits where these keep 4 to 1, changes colors by ±0.9 around 1
where these go from 0.1 to 1.9, spaces the ten magnitudes up to the largest, and translates by
150/331 of the side. The released operations read the nearest pixel when they rotate and shear;
here, as in APR's and AugMix's operations, they interpolate. What they uncover is black; the
released code shows the data's mean there, unless a lookup follows. Signs of rotations, shears and
translations are fair coins.

Reference: Cubuk et al., AutoAugment, CVPR 2019 (https://arxiv.org/abs/1805.09501), and the released
code.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys, settings
from apr_jax.augment import enhance, shifts, tables
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.policies import POLICIES
from apr_jax.augment.warp import IDENTITY, rotation, select, warp, with_entry
from apr_jax.errors import lookup

# Lookups, then warps, then the blends, which overlap with the corruption benchmarks.
OPS = (
  "autocontrast",
  "equalize",
  "posterize",
  "solarize",
  "invert",
  "rotate",
  "shear_x",
  "shear_y",
  "translate_x",
  "translate_y",
  "color",
  "contrast",
  "brightness",
  "sharpness",
  "identity",
)
_FIRST_WARP, _FIRST_BLEND, _IDENTITY = (
  OPS.index("rotate"),
  OPS.index("color"),
  OPS.index("identity"),
)


@dataclasses.dataclass(frozen=True)
class AutoAugment(Method):
  """AutoAugment with a policy that was found."""

  policy: str = settings.setting(
    "",
    'a policy of apr_jax/augment/policies.py, such as cifar10; "" = off',
    settings.one_of(POLICIES, or_empty=True),
  )

  stage: ClassVar[str] = "image"

  @property
  def on(self) -> bool:
    return bool(self.policy)

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("autoaugment")
    images = autoaugment(key, batch.images, self.policy, positions=batch.positions)
    return batch.change(images=images)


@dataclasses.dataclass(frozen=True)
class RandomAutoAugment(Method):
  """AutoAugment with a policy drawn anew for each image."""

  prob: float = settings.setting(
    0.0, "of augmenting an image; 0 = off; AugMix's: 1", settings.share()
  )

  stage: ClassVar[str] = "image"

  @property
  def on(self) -> bool:
    return self.prob > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("random_autoaugment")
    images = random_autoaugment(key, batch.images, prob=self.prob, positions=batch.positions)
    return batch.change(images=images)


def autoaugment(
  key: jax.Array, images: jax.Array, policy: str = "cifar10", *, positions: jax.Array | None = None
) -> jax.Array:
  """Applies a uniformly drawn pair of the policy to each image.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    policy: a key of `policies.POLICIES`.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.

  Raises:
    UserError: the policy is unknown.
  """
  pairs = lookup(POLICIES, policy, "AutoAugment policy")
  ops, probabilities, magnitudes = (
    np.array([[slot[i] for slot in pair] for pair in pairs]) for i in range(3)
  )
  ops = np.vectorize(OPS.index)(ops)
  operation = apply if ((ops >= _FIRST_BLEND) & (ops < _IDENTITY)).any() else apply_disjoint

  def augment(key: jax.Array, image: jax.Array) -> jax.Array:
    pair_key, *slot_keys = jax.random.split(key, 3)
    pair = jax.random.randint(pair_key, (), 0, len(pairs))
    slots = (
      jnp.asarray(values, dtype)[pair]
      for values, dtype in ((ops, jnp.int32), (probabilities, jnp.float32), (magnitudes, jnp.int32))
    )
    return _apply_pair(image, (jnp.stack(slot_keys), *slots), operation)

  return jax.vmap(augment)(keys.per_image(key, images, positions), images)


def random_autoaugment(
  key: jax.Array, images: jax.Array, *, prob: float = 1.0, positions: jax.Array | None = None
) -> jax.Array:
  """Applies to each image a pair of operations, each with operation, probability and magnitude
  drawn uniformly.

  This is AugMix's Random AutoAugment*: AutoAugment's search space without the operations that
  overlap with the corruption benchmarks, and without the search. Ten operations are left, those of
  `OPS` up to the blends. No code of it is released; that the probability is drawn too, as in the
  search space, is our reading.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    prob: probability, per image, of augmenting at all.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    uint8 `[B, H, W, 3]`.

  Reference: AugMix (https://arxiv.org/abs/1912.02781), Section 4.
  """

  def augment(key: jax.Array, image: jax.Array) -> jax.Array:
    chosen_key, op_key, probability_key, magnitude_key, *slot_keys = jax.random.split(key, 6)
    slots = (
      jax.random.randint(op_key, (2,), 0, _FIRST_BLEND),
      jax.random.uniform(probability_key, (2,)),
      jax.random.randint(magnitude_key, (2,), 0, 10),
    )
    changed = _apply_pair(image, (jnp.stack(slot_keys), *slots), apply_disjoint)
    return jnp.where(jax.random.bernoulli(chosen_key, prob), changed, image)

  return jax.vmap(augment)(keys.per_image(key, images, positions), images)


def apply(image: jax.Array, op: jax.Array, magnitude: jax.Array, sign: jax.Array) -> jax.Array:
  """One operation at one magnitude.

  Args:
    image: uint8 `[H, W, 3]`.
    op: int `[]`, place in `OPS`.
    magnitude: int `[]`, 0..9: tenths of 30 degrees, of a shear of 0.3, of 10/32 of the side, of 4
      bits, of 256 levels; of the factor's 1.8 above 0.1.
    sign: 1.0 or −1.0, of the warps.

  Returns:
    uint8 `[H, W, 3]`.
  """
  image = apply_disjoint(image, op, magnitude, sign)
  poor = jnp.stack(
    [
      image,
      enhance.without_color(image),
      enhance.without_contrast(image),
      jnp.zeros_like(image),
      enhance.without_sharpness(image),
    ]
  )[jnp.where((op >= _FIRST_BLEND) & (op < _IDENTITY), op - _FIRST_BLEND + 1, 0)]
  return enhance.blend(poor, image, magnitude * 0.18 + 0.1)


def apply_disjoint(
  image: jax.Array,
  op: jax.Array,
  magnitude: jax.Array,
  sign: jax.Array,
  form: str | None = None,
) -> jax.Array:
  """As `apply`, but the blends do nothing; `form` as in `forms.by_platform`."""
  height, width, _ = image.shape
  counts = tables.histogram(image, form)
  table = tables.choose(
    jnp.minimum(op, _FIRST_WARP),
    [
      tables.autocontrast(counts, form),
      tables.equalize(counts, form),
      tables.posterize(4 - magnitude * 4 // 10),
      tables.solarize(256 - magnitude * 256 // 10),
      tables.invert(),
      tables.identity(),
    ],
    form,
  )
  matrix = select(
    op - _FIRST_WARP,
    [
      rotation(sign * (magnitude * 30 // 10), height, width),
      with_entry(1, sign * magnitude * 0.03),
      with_entry(3, sign * magnitude * 0.03),
      with_entry(2, sign * (magnitude * width // 32)),
      with_entry(5, sign * (magnitude * height // 32)),
      IDENTITY,
    ],
  )
  reach = shifts.Reach.of(height, width, 27, 0.27, 9 / 32)  # of magnitude 9
  return warp(tables.apply(image, table, form), matrix, reach, form)


def _apply_pair(
  image: jax.Array, slots: tuple[jax.Array, ...], operation: Callable[..., jax.Array]
) -> jax.Array:
  """Applies two operations in turn; slots are keys, operations, probabilities and magnitudes, each
  `[2]`.
  """

  # One compiled operation serves both places of the pair.
  def one(image: jax.Array, slot: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
    key, op, probability, magnitude = slot
    coin_key, sign_key = jax.random.split(key)
    op = jnp.where(jax.random.bernoulli(coin_key, probability), op, _IDENTITY)
    return operation(
      image, op, magnitude, jnp.where(jax.random.bernoulli(sign_key), 1.0, -1.0)
    ), None

  return jax.lax.scan(one, image, slots)[0]

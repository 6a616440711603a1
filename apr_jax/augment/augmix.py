"""AugMix: random mixtures of chains of operations, as two views beside the clean image.

A chain applies some of the nine operations of `ops` one after the other. A view is the average of
several chains with Dirichlet(1) weights, averaged with the clean image by m ~ Beta(1, 1):

    view = (1 − m)·x + m·Σ_i w_i·chain_i(x)

The released code averages normalised images. The weights sum to 1 and normalisation is affine per
channel, so the average in [0, 1], which the network then normalises, is the same.

Reference: Hendrycks et al., AugMix, ICLR 2020 (https://arxiv.org/abs/1912.02781), Algorithm 1, and
released code.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import keys, losses, settings
from apr_jax.augment import ops
from apr_jax.augment.method import Batch, Method


@dataclasses.dataclass(frozen=True)
class AugMix(Method):
  """AugMix's three views and its loss."""

  width: int = settings.setting(0, "chains per view; 0 = off; the paper: 3", settings.at_least(0))
  depth: int = settings.setting(
    3,
    "operations in the longest chain; each chain's number is drawn from 1..depth",
    settings.above(0),
  )
  severity: float = ops.severity_setting()
  jsd_weight: float = settings.setting(
    12.0, "of the Jensen-Shannon divergence in the loss; AugMix's", settings.at_least(0)
  )
  single: bool = settings.setting(
    False, "one augmented view alone, with its cross-entropy, in place of the three"
  )

  stage: ClassVar[str] = "views"

  @property
  def on(self) -> bool:
    return self.width > 0

  def __call__(self, batch: Batch) -> Batch:
    views = augmix(
      batch.draw("augmix"),
      batch.images,
      self.width,
      self.depth,
      self.severity,
      1 if self.single else 2,
      positions=batch.positions,
    )
    return batch.change(views=views[1:] if self.single else views)

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    if self.single:
      return super().loss(outputs, targets, axis_name)
    return losses.augmix_loss(outputs.logits, targets, self.jsd_weight)


def augmix(
  key: jax.Array,
  images: jax.Array,
  width: int = 3,
  depth: int = 3,
  severity: float = 3,
  count: int = 2,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """The clean images and two views of each, for `losses.augmix_loss`.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    width: chains per view.
    depth: length of the longest chain; each chain's is drawn from 1..depth.
    severity: severity of the operations, above 0.1 and at most 10.
    count: views of each image.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[1 + count, B, H, W, 3]` in [0, 1]: clean, first view, second view.
  """
  of_views = jax.vmap(lambda key: jax.random.split(key, count))(
    keys.per_image(key, images, positions)
  )
  draw = functools.partial(_view, width=width, depth=depth, severity=severity)
  views = jax.vmap(jax.vmap(draw, in_axes=(0, None)), out_axes=1)(of_views, images)
  return jnp.concatenate([images[None].astype(jnp.float32) / 255, views])


def mixture(
  image: jax.Array, chains: jax.Array, weights: jax.Array, share: float | jax.Array
) -> jax.Array:
  """(1 − share)·image + share·Σ weights·chains.

  Args:
    image: `[H, W, C]`.
    chains: `[width, H, W, C]`.
    weights: float32 `[width]`, summing to 1.
    share: of the chains, in 0..1.

  Returns:
    float32 `[H, W, C]`, within the range of the images.
  """
  # A sum and not a matrix product, which accelerators would compute in fewer bits. Term by term: as
  # a reduction it would take a CPU as long as an operation.
  chained = sum(weight * chain for weight, chain in zip(weights, chains))
  return (1 - share) * image + share * chained


def random_chain(key: jax.Array, image: jax.Array, depth: int, severity: float) -> jax.Array:
  """Applies 1 to `depth` operations, their number uniform; uint8 `[H, W, 3]` → uint8."""
  length_key, op_key = jax.random.split(key)
  length = jax.random.randint(length_key, (), 1, depth + 1)

  # One compiled operation serves all places of the chain.
  def apply(image: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
    changed = ops.random_op(jax.random.fold_in(op_key, step), image, severity)
    return jnp.where(step < length, changed, image), None

  return jax.lax.scan(apply, image, jnp.arange(depth))[0]


def _view(key: jax.Array, image: jax.Array, width: int, depth: int, severity: float) -> jax.Array:
  weights_key, share_key, chains_key = jax.random.split(key, 3)
  weights = jax.random.dirichlet(weights_key, jnp.ones(width))
  share = jax.random.beta(share_key, 1.0, 1.0)
  chains = jax.vmap(lambda key: random_chain(key, image, depth, severity))(
    jax.random.split(chains_key, width)
  )
  return mixture(image, chains, weights, share) / 255

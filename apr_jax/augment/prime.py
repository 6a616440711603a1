"""PRIME: mixtures of chains of random transforms, in space, in colour and in frequency.

A chain applies some of `prime_transforms` one after the other. A view is the average of several
chains with Dirichlet(1) weights, averaged with the image by m ~ Beta(1, 1), as in AugMix:

    view = (1 − m)·x + m·Σ_i w_i·chain_i(x)

Everything is drawn for each image by itself. The released code draws the strengths of a transform,
and the field of a diffeomorphism, once per call for all images.

Reference: Modas et al., PRIME: A Few Primitives Can Boost Robustness to Common Corruptions, ECCV
2022 (https://arxiv.org/abs/2112.13547), and the released code
(https://github.com/amodas/PRIME-augmentations).
"""

import dataclasses

import jax
import jax.numpy as jnp

from apr_jax import keys, losses, settings
from apr_jax.augment.augmix import mixture
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.prime_transforms import RELEASED, Ranges, random_transform


@dataclasses.dataclass(frozen=True)
class Prime(Method):
  """PRIME's images in place of the plain ones, or two views of it beside them and its loss."""

  width: int = settings.setting(0, "chains per view; 0 = off; the release: 3", settings.at_least(0))
  depth: int = settings.setting(
    3,
    "transforms in the longest chain; each chain's number is drawn from 1..depth",
    settings.above(0),
  )
  jsd_weight: float = settings.setting(
    0.0,
    "of the Jensen-Shannon divergence of the clean image and two views; 0 = one view alone, as "
    "released for ImageNet; the release on CIFAR: 12",
    settings.at_least(0),
  )
  cut: int = settings.setting(
    100,
    "largest frequency of diffeomorphisms, in half waves per side; the release: 100, on ImageNet "
    "500",
    settings.at_least(3),
  )
  colours: int = settings.setting(
    100,
    "largest frequency of the curve of colours; the release: 100, on ImageNet 500",
    settings.above(0),
  )
  colour_strength: float = settings.setting(
    0.01,
    "largest variance of a frequency of that curve; the release: 0.01, on ImageNet 0.05",
    settings.at_least(0),
  )
  colour_band: int = settings.setting(
    0,
    "most frequencies that it has, one after the other; 0 = all up to the largest; the release on "
    "ImageNet: 20",
    settings.at_least(0),
  )
  sigma: float = settings.setting(
    4.0, "largest standard deviation of a filter's weights; the release: 4", settings.at_least(0)
  )
  corner: bool = settings.setting(
    False,
    "filters whose identity stands in their corner, as released, which moves the image by a pixel",
  )

  @property
  def stage(self) -> str:
    return "views" if self.jsd_weight else "pixels"

  @property
  def on(self) -> bool:
    return self.width > 0

  def __call__(self, batch: Batch) -> Batch:
    key, ranges = batch.draw("prime"), self._ranges
    if not self.jsd_weight:
      images = prime(key, batch.images, self.width, self.depth, ranges, positions=batch.positions)
      return batch.change(images=images)
    clean = batch.images.astype(jnp.float32) / 255
    views = [
      prime(part, clean, self.width, self.depth, ranges, positions=batch.positions)
      for part in jax.random.split(key)
    ]
    return batch.change(views=jnp.stack([clean, *views]))

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    if not self.jsd_weight:
      return super().loss(outputs, targets, axis_name)
    return losses.augmix_loss(outputs.logits, targets, self.jsd_weight)

  @property
  def _ranges(self) -> Ranges:
    return Ranges(
      self.cut, self.colours, self.colour_strength, self.colour_band, self.sigma, self.corner
    )


def prime(
  key: jax.Array,
  images: jax.Array,
  width: int = 3,
  depth: int = 3,
  ranges: Ranges = RELEASED,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """A mixture of chains of random transforms of each image.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: float `[B, H, W, C]`, in [0, 1].
    width: chains of an image.
    depth: length of the longest chain; each chain's is drawn from 1..depth.
    ranges: of the transforms.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[B, H, W, C]`, in [0, 1].

  Examples:
    >>> images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    >>> prime(jax.random.key(1), images).shape
    (2, 8, 8, 3)
  """

  def chain(key: jax.Array, image: jax.Array) -> jax.Array:
    length_key, transform_key = jax.random.split(key)
    length = jax.random.randint(length_key, (), 1, depth + 1)

    # One compiled transform serves all places of the chain.
    def apply(image: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
      changed = random_transform(jax.random.fold_in(transform_key, step), image, ranges)
      return jnp.where(step < length, changed, image), None

    return jax.lax.scan(apply, image, jnp.arange(depth))[0]

  def view(key: jax.Array, image: jax.Array) -> jax.Array:
    weights_key, share_key, chains_key = jax.random.split(key, 3)
    weights = jax.random.dirichlet(weights_key, jnp.ones(width))
    share = jax.random.uniform(share_key)  # Beta(1, 1)
    chains = jax.vmap(chain, in_axes=(0, None))(jax.random.split(chains_key, width), image)
    return mixture(image, chains, weights, share)

  return jax.vmap(view)(keys.per_image(key, images, positions), images.astype(jnp.float32))

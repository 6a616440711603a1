"""AFA: single Fourier waves that are added to images, of random frequency, direction and strength.

It is the complement of APR: APR exchanges amplitudes among images, AFA adds one wave to each
channel. Images are float `[B, H, W, C]` in [0, 1].

Reference: Vaish, Wang and Strisciuglio, Fourier-basis Functions to Bridge Augmentation Gap, CVPR
2024 (https://arxiv.org/abs/2403.01944), and the released code
(https://github.com/nis-research/afa-augment).
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys, losses, settings
from apr_jax.augment.method import Batch, Loss, Method

DIRECTIONS = 448
"""How many directions there are, evenly spaced from 0 to −π."""

RMS = 1 / 32
"""Root mean square of a wave of strength 1, at any size of images."""

PLAIN, AUXILIARY, JSD = "plain", "auxiliary", "jsd"


@dataclasses.dataclass(frozen=True)
class Afa(Method):
  """A wave on each channel of the images, in a view of its own or in the only one.

  In the modes "auxiliary" and "jsd" the waves are added to the images as crop and flip leave them,
  in one more view, behind those that the other methods make. It passes through batch normalisation
  of its own.
  """

  strength: float = settings.setting(
    0.0, "mean of a wave's strength; 0 = off; the release: 10 on ImageNet", settings.at_least(0)
  )
  minimum: float = settings.setting(
    0.0, "what is added to the strength; the release: 0 on ImageNet", settings.at_least(0)
  )
  mode: str = settings.setting(
    AUXILIARY,
    "plain: the images themselves; auxiliary: a view beside them with a loss of its own; jsd: that "
    "view, the clean one and the other methods' are to be predicted alike",
    settings.one_of((PLAIN, AUXILIARY, JSD)),
  )
  weight: float = settings.setting(
    0.5, "auxiliary: of the view's cross-entropy, the rest is the other loss's", settings.share()
  )
  jsd_weight: float = settings.setting(
    10.0,
    "jsd: of the Jensen-Shannon divergence in the loss; the release: 10 on CIFAR-10, 1 on "
    "CIFAR-100, 12 on ImageNet",
    settings.at_least(0),
  )

  @property
  def stage(self) -> str:
    return "pixels" if self.mode == PLAIN else "beside"

  @property
  def on(self) -> bool:
    return self.strength > 0

  def __call__(self, batch: Batch) -> Batch:
    waved = functools.partial(
      afa,
      batch.draw("afa"),
      strength=self.strength,
      minimum=self.minimum,
      positions=batch.positions,
    )
    if self.mode == PLAIN:
      return batch.change(images=waved(batch.images))
    assert batch.plain is not None and batch.views is not None  # of the stage "beside"
    clean, views = batch.plain, batch.views
    if self.mode == JSD and len(views) == 1:
      views = jnp.concatenate([clean[None], views])
    return batch.change(views=jnp.concatenate([views, waved(clean)[None]]))

  def loss_beside(
    self, main: Loss, outputs: losses.Outputs, targets: jax.Array, clean_targets: jax.Array
  ) -> jax.Array:
    if self.mode == JSD:
      return losses.augmix_loss(outputs.logits, clean_targets, self.jsd_weight)
    others = jax.tree.map(lambda x: x[:-1], outputs)
    auxiliary = losses.cross_entropy(outputs.logits[-1], clean_targets)
    return (1 - self.weight) * main(others, targets) + self.weight * auxiliary


def afa(
  key: jax.Array,
  images: jax.Array,
  strength: float = 10.0,
  minimum: float = 0.0,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Adds a wave to each channel of each image, and clips.

  Each channel has its own frequency, uniform among the whole numbers from 1 to the side (above half
  of it a wave aliases, as published), its own of `DIRECTIONS` directions, and its own strength,
  from the exponential distribution. Where height and width differ, the side is the smaller one.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: float `[B, H, W, C]`, in [0, 1].
    strength: mean of the strength λ; what is added has the root mean square λ/32.
    minimum: what is added to λ.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[B, H, W, C]`, in [0, 1].

  Examples:
    >>> images = jnp.full((2, 8, 8, 3), 0.5)
    >>> afa(jax.random.key(0), images).shape
    (2, 8, 8, 3)
    >>> bool((afa(jax.random.key(0), images, strength=0.0) == images).all())
    True
  """
  height, width, channels = images.shape[1:]

  def draw(key: jax.Array, image: jax.Array) -> jax.Array:
    frequency_key, direction_key, strength_key = jax.random.split(key, 3)
    frequencies = jax.random.randint(frequency_key, (channels,), 1, min(height, width) + 1)
    directions = jax.random.randint(direction_key, (channels,), 0, DIRECTIONS)
    angles = -math.pi / (DIRECTIONS - 1) * directions
    strengths = minimum + strength * jax.random.exponential(strength_key, (channels,))
    waves = jax.vmap(functools.partial(wave, height=height, width=width))(frequencies, angles)
    return jnp.clip(image + jnp.moveaxis(strengths[:, None, None] * waves, 0, -1), 0, 1)

  return jax.vmap(draw)(keys.per_image(key, images, positions), images.astype(jnp.float32))


def wave(
  frequency: float | jax.Array, angle: float | jax.Array, height: int, width: int
) -> jax.Array:
  """The wave sin(2π·(f/S)·(x cos ω + y sin ω) − π/4), with the root mean square `RMS`.

  x and y are as many points as the image has columns and rows, evenly spaced from −S/2 to S/2, both
  included, for S of that axis.

  Args:
    frequency: f, in cycles per image.
    angle: ω, its direction in radians.
    height, width: in pixels.

  Returns:
    float32 `[H, W]`, of any sign.

  Examples:
    >>> drawn = wave(3, 0.5, 16, 16)
    >>> round(float(jnp.sqrt(jnp.square(drawn).mean())), 5)
    0.03125
  """
  rows, columns = (np.linspace(-0.5, 0.5, size, dtype=np.float32) for size in (height, width))
  along = columns * jnp.cos(angle) + rows[:, None] * jnp.sin(angle)
  drawn = jnp.sin(2 * jnp.pi * frequency * along - jnp.pi / 4)
  return RMS * drawn * jax.lax.rsqrt(jnp.maximum(jnp.square(drawn).mean(), 1e-12))

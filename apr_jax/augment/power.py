"""Perturbation of the power spectrum of images: random gains per ring of frequencies.

Images are float `[B, H, W, C]` in [0, 1].

This is one reading, ours, of the "perturbation in the power spectrum" in the abstract of Jia, Bao
and Ma (https://arxiv.org/abs/1911.12044), which says no more. It is of APR's kind: the phase is
kept, and the amplitude becomes a random one in place of a borrowed one.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import keys, settings, spectrum
from apr_jax.augment.method import Batch, Method


@dataclasses.dataclass(frozen=True)
class PowerPerturbation(Method):
  """Random gains on the power spectra of the images."""

  prob: float = settings.setting(
    0.0, "of perturbing an image; 0 = off; our choice where it is on: 0.5", settings.share()
  )
  tau: float = settings.setting(
    1.0,
    "standard deviation of the logarithm of the gain on power, one gain per ring of frequencies",
    settings.at_least(0),
  )

  stage: ClassVar[str] = "pixels"

  @property
  def on(self) -> bool:
    return self.prob > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("power_perturbation")
    images = power_perturbation(key, batch.images, self.tau, self.prob, positions=batch.positions)
    return batch.change(images=images)


def power_perturbation(
  key: jax.Array,
  images: jax.Array,
  tau: float = 1.0,
  prob: float = 0.5,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Multiplies the power spectrum of each image by a random gain per ring, and keeps the phase.

  |F|² ← |F|² · exp(τη − τ²/2) with η from N(0, 1), one per ring of `spectrum.rings`, for all
  channels the same. The mean gain is 1. The zero frequency is not touched, so that before the
  clipping each channel keeps its mean.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: float `[B, H, W, C]`, in [0, 1].
    tau: τ, standard deviation of the logarithm of the gain.
    prob: probability, per image, of perturbing it.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[B, H, W, C]`, in [0, 1]; an image that is not perturbed is as it was.

  Examples:
    >>> images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    >>> power_perturbation(jax.random.key(1), images).shape
    (2, 8, 8, 3)
  """
  count = int(spectrum.rings(*images.shape[1:3]).max()) + 1

  def draw(key: jax.Array, image: jax.Array) -> jax.Array:
    coin_key, gain_key = jax.random.split(key)
    gains = jnp.exp(tau * jax.random.normal(gain_key, (count,)) - tau**2 / 2)
    perturbed = jnp.clip(scale_rings(image, gains.at[0].set(1)), 0, 1)
    return jnp.where(jax.random.bernoulli(coin_key, prob), perturbed, image)

  return jax.vmap(draw)(keys.per_image(key, images, positions), images.astype(jnp.float32))


def scale_rings(image: jax.Array, gains: jax.Array) -> jax.Array:
  """Multiplies the power in each ring of frequencies by its gain.

  Args:
    image: float `[H, W, C]`.
    gains: float `[R]`, not negative, of the rings of `spectrum.rings`.

  Returns:
    float32 `[H, W, C]`, not clipped.
  """
  height, width, _ = image.shape
  # The multiplier depends on the radius alone, so the spectrum stays that of a real image, and half
  # of it determines the rest.
  ring = spectrum.rings(height, width)[:, : width // 2 + 1]
  half = jnp.fft.rfft2(image.astype(jnp.float32), axes=(0, 1))
  return jnp.fft.irfft2(half * jnp.sqrt(gains)[ring][..., None], s=(height, width), axes=(0, 1))

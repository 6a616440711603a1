"""From a batch of uint8 images to the float views that the network sees, inside the compiled step.

    uint8 → APR-S → crop → flip → float in [0, 1] → APR-P → views [V, B, H, W, 3]

To add an augmentation: write it in a file of its own as a function of a key and a batch, and add a line here.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from apr_jax.augment import apr, crop_flip

Augment = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def make_augment(settings) -> Augment:
  """The augmentation of the training step.

  Args:
    settings: `config.augment`; see `configs/base.py` for its keys.

  Returns:
    `augment(key, images, positions, shard)` → float32 `[V, B, H, W, 3]` in [0, 1] (APR-P's view is not clipped).
    `key` is the step's; `images` uint8 `[B, H, W, 3]`, this device's share of the global batch; `positions` int
    `[B]`, their places in it; `shard` the index of the device. An image's augmentation depends on the key and its
    position alone, so it is the same on any number of devices; APR-P's partners come from the same device, so that
    no image crosses between devices. V is 2 with APR-P, else 1.
  """
  apr_p, apr_s = settings.apr_p, settings.apr_s

  def augment(key: jax.Array, images: jax.Array, positions: jax.Array, shard: jax.Array) -> jax.Array:
    apr_s_key, crop_key, flip_key, coin_key, permutation_key = jax.random.split(key, 5)
    if apr_s.prob > 0:
      images = apr.apr_s(apr_s_key, images, apr_s.severity, apr_s.overflow, prob=apr_s.prob, positions=positions)
    if settings.crop_padding > 0:
      images = crop_flip.random_crop(
          crop_key, images, settings.crop_padding, settings.crop_fill, positions=positions)
    if settings.flip:
      images = crop_flip.random_flip(flip_key, images, positions=positions)
    clean = images.astype(jnp.float32) / 255
    if apr_p.prob == 0:
      return clean[None]

    if apr_p.per_image:
      chosen = jax.vmap(lambda position: jax.random.bernoulli(jax.random.fold_in(coin_key, position), apr_p.prob))(
          positions)
    else:
      chosen = jax.random.bernoulli(coin_key, apr_p.prob)
    permutation = jax.random.permutation(jax.random.fold_in(permutation_key, shard), len(images))
    return jnp.stack([clean, apr.swap_amplitudes(clean, permutation, chosen)])

  return augment

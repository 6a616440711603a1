"""Partners within a batch: who gives to whom.

A method that pairs images, as APR-P, HybridAugment and the network with two labels do, draws the
partners of a device's images here, so that no image crosses between devices.
"""

import jax

from apr_jax import keys


def random_partners(
  key: jax.Array,
  images: jax.Array,
  prob: float,
  per_image: bool,
  positions: jax.Array | None = None,
  shard: int | jax.Array = 0,
) -> tuple[jax.Array, jax.Array]:
  """The partners of a device's images `[B, ...]`, and the coins that say who takes them.

  Returns:
    a permutation, int `[B]`, which is the device's own; and one coin for all devices, bool `[]`, or
    with `per_image` those of the images' positions, bool `[B]`.
  """
  coin_key, permutation_key = jax.random.split(key)
  if per_image:
    coin_keys = keys.per_image(coin_key, images, positions)
    chosen = jax.vmap(lambda key: jax.random.bernoulli(key, prob))(coin_keys)
  else:
    chosen = jax.random.bernoulli(coin_key, prob)
  return jax.random.permutation(jax.random.fold_in(permutation_key, shard), len(images)), chosen

"""Partners within a batch: who gives to whom.

A method that pairs images, as APR-P, HybridAugment, Mixup, CutMix and the network with two labels
do, draws the partners of a device's images here. They are images of the same device, or of its
group of devices, which draws what one device with all the group's images would.
"""

import jax

from apr_jax import keys
from apr_jax.device_group import ALONE, DeviceGroup


def random_partners(
  key: jax.Array,
  images: jax.Array,
  prob: float,
  per_image: bool,
  positions: jax.Array | None = None,
  shard: int | jax.Array = 0,
  group: DeviceGroup = ALONE,
) -> tuple[jax.Array, jax.Array]:
  """The partners of a device's images `[B, ...]`, and the coins that say who takes them.

  Returns:
    places as of `random_places`, int `[B]`; and one coin for all devices, bool `[]`, or with
    `per_image` those of the images' positions, bool `[B]`.
  """
  coin_key, permutation_key = jax.random.split(key)
  if per_image:
    coin_keys = keys.per_image(coin_key, images, positions)
    chosen = jax.vmap(lambda key: jax.random.bernoulli(key, prob))(coin_keys)
  else:
    chosen = jax.random.bernoulli(coin_key, prob)
  return random_places(permutation_key, len(images), shard, group), chosen


def random_places(
  key: jax.Array, count: int, shard: int | jax.Array, group: DeviceGroup = ALONE
) -> jax.Array:
  """Where the partners of a device's images stand among the images of its group.

  Each group has a permutation of its own.

  Args:
    key: PRNG key, the same on all devices.
    count: B, images of the device.
    shard: index of the device, which is its place on the group's axis.
    group: of N devices; by default the device alone.

  Returns:
    int `[B]` in 0..N·B-1: the device's part of the group's permutation. `permuted` takes them.
  """
  if group.devices == 1:
    return jax.random.permutation(jax.random.fold_in(key, shard), count)
  number, place = shard // group.devices, shard % group.devices
  permutation = jax.random.permutation(jax.random.fold_in(key, number), group.devices * count)
  return jax.lax.dynamic_slice_in_dim(permutation, place * count, count)

"""From a batch of uint8 images to the float views that the network sees, inside the compiled step.

    uint8 → APR-S, HA-S or (Random) AutoAugment → crop → flip
      → float in [0, 1] → Cutout or Patch Uniform → APR-P, HA-P, Mixup or CutMix
      → views [V, B, H, W, 3] and targets [B, K]
      → or AugMix or SimCLR → views and targets

What is off leaves no trace in the program. `experiment` refuses combinations that nobody has
defined.

To add an augmentation: write it in a file of its own as a function of a key and a batch, and add a
line here.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from apr_jax.augment import (
  apr,
  augmix,
  autoaugment,
  crop_flip,
  cutout,
  hybrid,
  mix,
  patch_uniform,
  simclr,
)

Augment = Callable[
  [jax.Array, jax.Array, jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]
]

# Continue the numbers of the five keys that are split off the step's key.
_CUTOUT_KEY, _PATCH_KEY = 5, 6


def make_augment(
  settings,
  num_classes: int,
  mean: Sequence[float] = (0.0, 0.0, 0.0),
  std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Augment:
  """The augmentation of the training step.

  Args:
    settings: `config.augment`; see `configs/base.py` for its keys.
    num_classes: K.
    mean, std: of the model's input normalisation, in units of [0, 1]; Cutout blanks with the mean,
      and APR-P recombines normalised images where `apr_p.normalised` says so.

  Returns:
    `augment(key, images, labels, positions, shard)` → views and targets.

    `key` is the step's; `images` uint8 `[B, H, W, 3]`, this device's share of the global batch;
    `labels` int `[B]`; `positions` int `[B]`, the images' places in the global batch; `shard` the
    index of the device. An image's augmentation depends on the key and its position alone, so it is
    the same on any number of devices; where images are paired, partners come from the same device,
    so that no image crosses between devices.

    Views are float32 `[V, B, H, W, 3]` in [0, 1] (those of APR-P and HA-P are not clipped); V is 3
    with AugMix, 2 with APR-P or HA-P, as configured with SimCLR, else 1. The first view is the
    clean one, except that Mixup and CutMix mix it, and SimCLR has none. Targets are float32 `[B,
    K]`, one-hot except with Mixup and CutMix.
  """

  def augment(
    key: jax.Array, images: jax.Array, labels: jax.Array, positions: jax.Array, shard: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    single_key, crop_key, flip_key, coin_key, partner_key = jax.random.split(key, 5)
    images = _augment_singles(settings, single_key, images, positions)
    if settings.crop_padding > 0:
      images = crop_flip.random_crop(
        crop_key, images, settings.crop_padding, settings.crop_fill, positions=positions
      )
    if settings.flip:
      images = crop_flip.random_flip(flip_key, images, positions=positions)
    targets = jax.nn.one_hot(labels, num_classes)
    if settings.augmix.width > 0:
      chosen = settings.augmix
      return augmix.augmix(
        single_key, images, chosen.width, chosen.depth, chosen.severity, positions=positions
      ), targets

    if settings.simclr.views > 0:
      chosen = settings.simclr
      return simclr.simclr(
        single_key, images, chosen.views, chosen.min_area, positions=positions
      ), targets

    clean = images.astype(jnp.float32) / 255
    if settings.cutout.size > 0:
      cutout_key = jax.random.fold_in(key, _CUTOUT_KEY)
      clean = cutout.cutout(cutout_key, clean, settings.cutout.size, mean, positions=positions)
    if settings.patch_uniform.size > 0:
      chosen = settings.patch_uniform
      clean = patch_uniform.patch_uniform(
        jax.random.fold_in(key, _PATCH_KEY), clean, chosen.size, chosen.scale, positions=positions
      )
    if settings.mixup.alpha > 0:
      mixed, targets = mix.mixup(partner_key, clean, targets, settings.mixup.alpha, shard=shard)
      return mixed[None], targets
    if settings.cutmix.alpha > 0:
      mixed, targets = mix.cutmix(
        partner_key, clean, targets, settings.cutmix.alpha, prob=settings.cutmix.prob, shard=shard
      )
      return mixed[None], targets

    if settings.apr_p.prob > 0:
      partners = _partners(settings.apr_p, coin_key, partner_key, positions, shard)
      if settings.apr_p.normalised:  # and back again: the model normalises its input itself
        centre, scale = jnp.float32(mean), jnp.float32(std)
        view = apr.swap_amplitudes((clean - centre) / scale, *partners) * scale + centre
      else:
        view = apr.swap_amplitudes(clean, *partners)
    elif settings.hybrid_p.prob > 0:
      # The second pair of draws is that of the APR-P in HybridAugment++.
      high, low = (
        _partners(settings.hybrid_p, *pair, positions, shard)
        for pair in zip(jax.random.split(coin_key), jax.random.split(partner_key))
      )
      view = hybrid.swap_high(clean, *high, low if settings.hybrid_p.plus else None)
    else:
      return clean[None], targets
    return jnp.stack([clean, view]), targets

  return augment


def _augment_singles(
  settings, key: jax.Array, images: jax.Array, positions: jax.Array
) -> jax.Array:
  """The augmentations of single uint8 images that come before the crop, as in the released
  codes.
  """
  if settings.apr_s.prob > 0:
    chosen = settings.apr_s
    return apr.apr_s(
      key, images, chosen.severity, chosen.overflow, prob=chosen.prob, positions=positions
    )
  if settings.hybrid_s.prob > 0:
    chosen = settings.hybrid_s
    return hybrid.ha_s(
      key,
      images,
      chosen.severity,
      chosen.overflow,
      chosen.plus,
      prob=chosen.prob,
      positions=positions,
    )
  if settings.autoaugment:
    return autoaugment.autoaugment(key, images, settings.autoaugment, positions=positions)
  if settings.random_autoaugment:
    return autoaugment.random_autoaugment(key, images, positions=positions)
  return images


def _partners(
  settings, coin_key: jax.Array, permutation_key: jax.Array, positions: jax.Array, shard: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """A permutation of the device's images, and coins: one for all devices, or one per image by its
  position.
  """
  if settings.per_image:
    chosen = jax.vmap(
      lambda position: jax.random.bernoulli(jax.random.fold_in(coin_key, position), settings.prob)
    )(positions)
  else:
    chosen = jax.random.bernoulli(coin_key, settings.prob)
  return jax.random.permutation(jax.random.fold_in(permutation_key, shard), len(positions)), chosen

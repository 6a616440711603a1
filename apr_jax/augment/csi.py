"""CSI with labels: SimCLR's views of an image in four rotations, of which each makes a class of its
own.

Of each image two views are mirrored or not; each of them is turned by 0, 90, 180 and 270 degrees;
and each of these has colors jittered and a part enlarged on its own (`simclr`). Views attract each
other where class and rotation are the same. Three linear heads learn from the features, which they
leave alone: the class, from the views that are not turned, the rotation, and both together.

References: Tack et al., CSI, NeurIPS 2020 (https://arxiv.org/abs/2007.08176), Section 2.3, and its
released code (https://github.com/alinlab/CSI), mode sup_CSI_linear. There the heads are trained
afterwards; `model.frozen` does so.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from apr_jax import keys, losses, settings
from apr_jax.augment.method import Batch
from apr_jax.augment.simclr import SimCLR, view
from apr_jax.errors import UserError

ROTATIONS = 4


@dataclasses.dataclass(frozen=True)
class Csi(SimCLR):
  """CSI's views with the supervised contrastive loss over classes and rotations."""

  views: int = settings.setting(
    0,
    "per image and rotation; 0 = off; the paper: 2; for heads alone 1",
    settings.at_least(0),
  )

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("csi")
    views = csi_views(key, batch.images, self.views, self.min_area, positions=batch.positions)
    return batch.change(views=views)

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    rotations = tuple(rotation for rotation in range(ROTATIONS) for _ in range(self.views))
    return losses.csi_loss(outputs, targets, rotations, self.temperature, axis_name)


def csi_views(
  key: jax.Array,
  images: jax.Array,
  views: int = 2,
  min_area: float = 0.08,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """CSI's views of each image, for `losses.csi_loss`.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, S, S, 3]`.
    views: per image and rotation.
    min_area: smallest share of the image's area that a crop shows, above 0 and at most 1.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[4 · views, B, S, S, 3]` in [0, 1]: all views turned by 0 degrees, then those turned by
    90 counterclockwise, 180 and 270. Views that differ by rotation alone are mirrored alike.

  Raises:
    UserError: the images are not square.

  Examples:
    >>> csi_views(jax.random.key(0), jnp.zeros((3, 8, 8, 3), jnp.uint8), 2).shape
    (8, 3, 8, 8, 3)
  """
  if images.shape[1] != images.shape[2]:
    raise UserError(
      f"augment.csi turns images by 90 degrees, and they must be square, got "
      f"{list(images.shape[1:3])} pixels; set data.image_size"
    )
  draw = functools.partial(_views_of_one, views=views, min_area=min_area)
  of_each = jax.vmap(draw, out_axes=2)(
    keys.per_image(key, images, positions), images.astype(jnp.float32) / 255
  )
  return of_each.reshape(ROTATIONS * views, *images.shape)


def _views_of_one(key: jax.Array, image: jax.Array, views: int, min_area: float) -> jax.Array:
  """float32 `[4, views, S, S, 3]`."""
  mirror_key, view_key = jax.random.split(key)
  mirrored = jax.random.bernoulli(mirror_key, shape=(views, 1, 1, 1))
  images = jnp.where(mirrored, image[:, ::-1], image)
  turned = jnp.stack([jnp.rot90(images, rotation, (1, 2)) for rotation in range(ROTATIONS)])
  view_keys = jax.random.split(view_key, (ROTATIONS, views))
  one = functools.partial(view, min_area=min_area, mirror=False)
  return jax.vmap(jax.vmap(one))(view_keys, turned)

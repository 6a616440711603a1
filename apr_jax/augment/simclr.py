"""SimCLR's views: what contrastive training compares. Images are float `[H, W, 3]` in [0, 1].

A view is, in this order, the image or its mirror image, with jittered colors (probability 0.8), as
grey (0.2), and a random part of it enlarged to the whole. Ranges, order and arithmetic are those of
CSI's released code for CIFAR (https://github.com/alinlab/CSI, models/transform_layers.py), except
that it tosses one coin per batch for whether the contrast comes first, here it is one per view, and
that it takes the hue by an arctangent, here it is the usual piecewise linear one, at most 1.2
degrees apart.

References: Chen et al., SimCLR, 2020 (https://arxiv.org/abs/2002.05709), Section 3; Tack et al.,
CSI, NeurIPS 2020 (https://arxiv.org/abs/2007.08176).
"""

import dataclasses
import functools
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import keys, losses, settings
from apr_jax.augment import hsv
from apr_jax.augment.method import Batch, Method
from apr_jax.in_memory import in_memory

JITTER_PROB, GREY_PROB = 0.8, 0.2
STRENGTH = 0.4  # factors on contrast, saturation and value are drawn from 1 ± this
TURN = 0.1 * 255 / 360  # largest turn of the hue; the release scales 0.1 so
LOG_RATIO = math.log(4 / 3)  # of a crop's width to its height, at most
TRIALS = 10  # boxes drawn for a crop; the first that fits the image is taken


@dataclasses.dataclass(frozen=True)
class SimCLR(Method):
  """SimCLR's views with the supervised contrastive loss (SupCLR)."""

  views: int = settings.setting(
    0,
    "per image; 0 = off; the papers: 2; for the probe alone 1",
    settings.at_least(0),
  )
  min_area: float = settings.setting(
    0.08,
    "smallest share of an image that a crop shows; SimCLR's and CSI's",
    settings.above(0, at_most=1),
  )
  temperature: float = settings.setting(
    0.07, "of the supervised contrastive loss; CSI's", settings.above(0)
  )

  stage: ClassVar[str] = "views"
  projection: ClassVar[bool] = True

  @property
  def on(self) -> bool:
    return self.views > 0

  def __call__(self, batch: Batch) -> Batch:
    key = batch.draw("simclr")
    views = simclr(key, batch.images, self.views, self.min_area, positions=batch.positions)
    return batch.change(views=views)

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    if outputs.projection is None:  # of a frozen network: the probe alone learns
      return losses.probe_loss(outputs.logits, targets)
    return losses.supclr_loss(
      outputs.logits, outputs.projection, targets, self.temperature, axis_name
    )


def simclr(
  key: jax.Array,
  images: jax.Array,
  views: int = 2,
  min_area: float = 0.08,
  *,
  positions: jax.Array | None = None,
) -> jax.Array:
  """Random views of each image, for `losses.supclr_loss`.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    images: uint8 `[B, H, W, 3]`.
    views: per image.
    min_area: smallest share of the image's area that a crop shows, above 0 and at most 1.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    float32 `[views, B, H, W, 3]` in [0, 1].
  """
  view_keys = jax.vmap(lambda key: jax.random.split(key, views))(
    keys.per_image(key, images, positions)
  )
  draw = jax.vmap(functools.partial(view, min_area=min_area), in_axes=(0, None))
  return jax.vmap(draw, out_axes=1)(view_keys, images.astype(jnp.float32) / 255)


def jitter(
  image: jax.Array,
  contrast_first: bool | jax.Array,
  contrast: float | jax.Array,
  turn: float | jax.Array,
  saturation: float | jax.Array,
  value: float | jax.Array,
) -> jax.Array:
  """Changes contrast and colors; float32 `[H, W, 3]` in [0, 1] → the same.

  Args:
    image: float32 `[H, W, 3]` in [0, 1].
    contrast_first: whether the contrast is changed before the colors, or after them.
    contrast: factor on the distance of each channel from its mean; the result is clipped.
    turn: added to the hue, as a part of the turn.
    saturation, value: factors on those of HSV; the results are clipped.
  """
  image = adjust_contrast(image, jnp.where(contrast_first, contrast, 1))
  image = adjust_colors(image, turn, saturation, value)
  return adjust_contrast(image, jnp.where(contrast_first, 1, contrast))


def adjust_contrast(image: jax.Array, factor: float | jax.Array) -> jax.Array:
  """Each channel's distance from its mean times `factor`, clipped to [0, 1]."""
  mean = image.mean((0, 1))
  return jnp.clip(image + (factor - 1) * (image - mean), 0, 1)


def adjust_colors(
  image: jax.Array, turn: float | jax.Array, saturation: float | jax.Array, value: float | jax.Array
) -> jax.Array:
  """Turns the hue and multiplies saturation and value, which are clipped at 1."""
  hue, old_saturation, old_value = jnp.moveaxis(hsv.from_rgb(image), -1, 0)
  return hsv.to_rgb(
    jnp.stack(
      [
        jnp.mod(hue + turn, 1),
        jnp.minimum(saturation * old_saturation, 1),
        jnp.minimum(value * old_value, 1),
      ],
      -1,
    )
  )


def grey(image: jax.Array) -> jax.Array:
  """The luma (ITU-R 601) in all channels."""
  # Term by term, which a CPU computes faster than a sum over an axis of three; and from memory, or
  # it would compute the image again for each channel.
  red, green, blue = jnp.split(in_memory(image), 3, axis=-1)
  return jnp.broadcast_to(0.299 * red + 0.587 * green + 0.114 * blue, image.shape)


def resized_crop(image: jax.Array, box: jax.Array) -> jax.Array:
  """The part of the image inside the box, enlarged to the image's size by bilinear interpolation.

  Args:
    image: float32 `[H, W, 3]`.
    box: float32 `[4]`: top, left, height and width in pixels, inside the image. Pixels beside the
      box are read where the interpolation needs them.
  """
  scale = jnp.array(image.shape[:2]) / box[2:]
  return jax.image.scale_and_translate(
    image, image.shape, (0, 1), scale, -box[:2] * scale, "linear", antialias=False
  )


def random_box(key: jax.Array, height: int, width: int, min_area: float) -> jax.Array:
  """A box for `resized_crop`: a whole number of pixels high and wide, at a place in steps of half a
  pixel.

  Its share of the area is uniform in min_area..1 and its ratio of sides log-uniform in 3/4..4/3,
  given that it fits; should none of ten draws fit, it is the whole image.
  """
  trial_key, place_key = jax.random.split(key)
  uniform = jax.random.uniform(trial_key, (2, TRIALS))
  area = (min_area + (1 - min_area) * uniform[0]) * height * width
  ratio = jnp.exp(LOG_RATIO * (2 * uniform[1] - 1))
  heights, widths = jnp.round(jnp.sqrt(area / ratio)), jnp.round(jnp.sqrt(area * ratio))
  fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
  first, whole = fits.argmax(), jnp.array([height, width], jnp.float32)
  size = jnp.where(fits[first], jnp.stack([heights[first], widths[first]]), whole)
  halves = 2 * (whole - size) + 1  # places to choose from
  return jnp.concatenate([jnp.floor(jax.random.uniform(place_key, (2,)) * halves) / 2, size])


def view(key: jax.Array, image: jax.Array, min_area: float, mirror: bool = True) -> jax.Array:
  """A random view of one image; float32 `[H, W, 3]` in [0, 1] → the same.

  Args:
    key: PRNG key.
    image: float32 `[H, W, 3]` in [0, 1].
    min_area: smallest share of the image's area that the crop shows.
    mirror: whether it is mirrored with probability ½.
  """
  coin_key, jitter_key, box_key = jax.random.split(key, 3)
  mirrored, jittered, contrast_first, greyed = jax.random.uniform(coin_key, (4,)) < jnp.array(
    [0.5, JITTER_PROB, 0.5, GREY_PROB]
  )
  *shifts, turn = jax.random.uniform(jitter_key, (4,), minval=-1)
  contrast, saturation, value = (1 + STRENGTH * shift for shift in shifts)
  if mirror:
    image = jnp.where(mirrored, image[:, ::-1], image)
  image = jnp.where(
    jittered, jitter(image, contrast_first, contrast, TURN * turn, saturation, value), image
  )
  image = jnp.where(greyed, grey(image), image)
  height, width, _ = image.shape
  return resized_crop(image, random_box(box_key, height, width, min_area))

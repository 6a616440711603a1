"""The corruptions by name, and the function that makes them.

Departures from the benchmark's generator are listed in docs/corruptions.md.
"""

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import (
  blur,
  digital,
  jpeg,
  noise,
  parameters,
  pixel_random,
  spatter,
  weather,
)
from apr_jax.errors import UserError, lookup

Corruption = Callable[[jax.Array, jax.Array, Any], jax.Array]
"""(keys of the images, images, row of `parameters.at`) → the corrupted images."""

# In the order of the benchmark.
_BENCHMARK: dict[str, Corruption] = {
  "gaussian_noise": noise.gaussian_noise,
  "shot_noise": noise.shot_noise,
  "impulse_noise": noise.impulse_noise,
  "defocus_blur": blur.defocus_blur,
  "glass_blur": blur.glass_blur,
  "motion_blur": blur.motion_blur,
  "zoom_blur": blur.zoom_blur,
  "snow": weather.snow,
  "frost": weather.frost,
  "fog": weather.fog,
  "brightness": digital.brightness,
  "contrast": digital.contrast,
  "elastic_transform": digital.elastic_transform,
  "pixelate": digital.pixelate,
  "jpeg_compression": jpeg.jpeg_compression,
}
_EXTRA: dict[str, Corruption] = {
  "speckle_noise": noise.speckle_noise,
  "gaussian_blur": blur.gaussian_blur,
  "spatter": spatter.spatter,
  "saturate": digital.saturate,
}
_ALL = {**_BENCHMARK, **_EXTRA}

SEVERITIES = range(1, 6)
CORRUPTIONS = tuple(_BENCHMARK)
EXTRA_CORRUPTIONS = tuple(_EXTRA)

# The smallest image for which every corruption is defined.
SMALLEST = 8


def _check_images(images: Any) -> None:
  shape = list(getattr(images, "shape", ()))
  found = f"{getattr(images, 'dtype', type(images).__name__)} {shape}"
  if getattr(images, "dtype", None) != jnp.uint8 or len(shape) != 4 or shape[3] != 3:
    raise UserError(f"images: got {found}, need uint8 [B, H, W, 3] in 0..255.")
  if min(shape[1:3]) < SMALLEST:
    raise UserError(f"images: got {found}, need at least {SMALLEST} pixels in height and width.")


def _check_severity(severity: Any) -> None:
  whole = isinstance(severity, (int, np.integer)) and not isinstance(severity, bool)
  if not whole or severity not in SEVERITIES:
    raise UserError(f"severity: got {severity!r}, need an integer from 1 to 5.")


def _check_positions(positions: Any, count: int) -> None:
  shape = jnp.shape(positions)
  if shape != (count,) or not jnp.issubdtype(jnp.result_type(positions), jnp.integer):
    found = f"{getattr(positions, 'dtype', type(positions).__name__)} {list(shape)}"
    raise UserError(f"positions: got {found}, need integers [{count}], one per image.")


@functools.partial(jax.jit, static_argnames=("name", "severity"))
def _corrupt(keys: jax.Array, images: jax.Array, name: str, severity: int) -> jax.Array:
  row = parameters.at(name, severity, min(images.shape[1:3]))
  corrupted = _ALL[name](keys, images, row)
  chex.assert_equal_shape([corrupted, images])
  chex.assert_type(corrupted, jnp.uint8)
  return corrupted


def corrupt(
  key: jax.Array,
  images: jax.typing.ArrayLike,
  name: str,
  severity: int,
  *,
  positions: jax.typing.ArrayLike | None = None,
) -> jax.Array:
  """Corrupts a batch of images.

  Compiled once per name, severity and shape; may be called inside another jit, where name and
  severity must be plain Python values.

  Size: up to 32 pixels on the shorter side the CIFAR parameters hold, from 224 the ImageNet ones;
  between them each moves linearly with the size, counts rounded (see `parameters`).

  Args:
    key: a JAX random key. Image i is made with fold_in(key, positions[i]), whatever the name and
      severity. Give each set a key of its own where sets should be independent.
    images: uint8 `[B, H, W, 3]` in 0..255, H and W at least 8.
    name: one of CORRUPTIONS or EXTRA_CORRUPTIONS.
    severity: 1 (mild) to 5 (strong).
    positions: integers `[B]`, the images' positions in their data set, which makes a result the
      same in any batch; 0 .. B - 1 by default.

  Returns:
    uint8 `[B, H, W, 3]`.

  Raises:
    UserError: a name that is not known, or images, severity or positions not as above.

  Examples:
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> bright = corrupt(jax.random.key(0), images, "brightness", 1)
    >>> bright.dtype.name, bool((bright > 100).all())
    ('uint8', True)
  """
  lookup(_ALL, name, "corruption")
  _check_images(images)
  _check_severity(severity)
  count = jnp.shape(images)[0]
  if positions is None:
    positions = jnp.arange(count)
  _check_positions(positions, count)
  keys = pixel_random.image_keys(key, jnp.asarray(positions))
  return _corrupt(keys, jnp.asarray(images), name, int(severity))

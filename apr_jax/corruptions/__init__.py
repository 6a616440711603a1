"""The common corruptions of Hendrycks & Dietterich, made on the accelerator.

    corrupted = corrupt(jax.random.key(0), images, "fog", 3)

15 corruptions make the benchmarks CIFAR-10-C, CIFAR-100-C and ImageNet-C; 4 extra ones are kept for
validation. Images are uint8 [B, H, W, 3] of any size from 8 pixels; the parameters are the
published ones for 32 and for 224 pixels and are interpolated between, see `parameters`. Scores on
corruptions made here are scores on regenerated corruptions, and should be called so: the random
draws, and the frost, differ from the published files'.

Source: "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019;
repository hendrycks/robustness. Departures from its generator are listed in docs/corruptions.md.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.corruptions import blur, digital, draws, jpeg, noise, parameters, spatter, weather
from apr_jax.errors import UserError, lookup

# In the order of the benchmark.
_BENCHMARK = {
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
_EXTRA = {
  "speckle_noise": noise.speckle_noise,
  "gaussian_blur": blur.gaussian_blur,
  "spatter": spatter.spatter,
  "saturate": digital.saturate,
}
SEVERITIES = range(1, 6)
CORRUPTIONS = tuple(_BENCHMARK)
EXTRA_CORRUPTIONS = tuple(_EXTRA)

# The smallest image for which every corruption is defined.
SMALLEST = 8


def _checked(images, severity, positions) -> None:
  found = f"{getattr(images, 'dtype', type(images).__name__)} {list(getattr(images, 'shape', []))}"
  if getattr(images, "dtype", None) != jnp.uint8 or images.ndim != 4 or images.shape[3] != 3:
    raise UserError(f"images: got {found}, need uint8 [B, H, W, 3] in 0..255.")
  if min(images.shape[1:3]) < SMALLEST:
    raise UserError(f"images: got {found}, need at least {SMALLEST} pixels in height and width.")
  if (
    isinstance(severity, bool)
    or not isinstance(severity, (int, np.integer))
    or not 1 <= severity <= 5
  ):
    raise UserError(f"severity: got {severity!r}, need an integer from 1 to 5.")
  if positions is not None:
    dtype, shape = getattr(positions, "dtype", type(positions).__name__), jnp.shape(positions)
    if shape != images.shape[:1] or not jnp.issubdtype(jnp.result_type(positions), jnp.integer):
      raise UserError(
        f"positions: got {dtype} {list(shape)}, need integers [{images.shape[0]}], one per image."
      )


@functools.partial(jax.jit, static_argnames=("name", "severity"))
def _corrupt(key, images, positions, name, severity):
  seeds = draws.image_seeds(key, positions)
  row = parameters.at(name, severity, min(images.shape[1:3]))
  return {**_BENCHMARK, **_EXTRA}[name](seeds, images, row)


def corrupt(
  key: jax.Array, images: jax.Array, name: str, severity: int, *, positions=None
) -> jax.Array:
  """Corrupts a batch of images.

  Compiled once per name, severity and shape; may be called inside another jit, where name and
  severity must be plain Python values.

  Size: up to 32 pixels on the shorter side the CIFAR parameters hold, from 224 the ImageNet ones;
  between them each moves linearly with the size, counts rounded (see `parameters`).

  Args:
    key: a JAX random key. Image i is made with fold_in(key, positions[i]), whatever the name and
    severity: give
      each set a key of its own where sets should be independent.
    images: uint8 [B, H, W, 3] in 0..255, H and W at least 8.
    name: one of CORRUPTIONS or EXTRA_CORRUPTIONS.
    severity: 1 (mild) to 5 (strong).
    positions: integers [B], the images' positions in their data set, which makes a result the same
      in any batch; 0 .. B - 1 by default.

  Returns:
    uint8 [B, H, W, 3].

  Raises:
    UserError: a name that is not known, or images, severity or positions not as above.
  """
  lookup({**_BENCHMARK, **_EXTRA}, name, "corruption")
  _checked(images, severity, positions)
  if positions is None:
    positions = jnp.arange(images.shape[0])
  return _corrupt(key, images, jnp.asarray(positions), name, int(severity))

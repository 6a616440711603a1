"""Images of which a band of the amplitude and a band of the phase are left (APR, Figure 4).

It is no augmentation but another picture of the data: what a network is trained on is what it is
to be tested on. So the network of a run with this method recombines its input itself when it is not
in training (`models.band_input`), and in training this method does it, before crop and flip.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487).
The radii, the shape of the filters and what stands in an empty bin are not published; the defaults
are ours.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from apr_jax import settings, spectrum
from apr_jax.augment.method import Batch, Method
from apr_jax.spectrum.bands import BANDS, FILLS, SHAPES

_NAMES = ("all", *BANDS)


@dataclasses.dataclass(frozen=True)
class Bands(Method):
  """Parts of amplitude and phase in place of the images, in training and in every test."""

  amplitude: str = settings.setting(
    "all", "band of the amplitude that is left; all and all = off", settings.one_of(_NAMES)
  )
  phase: str = settings.setting("all", "band of the phase that is left", settings.one_of(_NAMES))
  radii: tuple[float, ...] = settings.setting(
    (8.0, 16.0),
    "distances from the zero frequency in bins where the middle and the high band begin",
    settings.numbers("two growing numbers above 0", 2, lambda radii: 0 < radii[0] < radii[1]),
  )
  shape: str = settings.setting(
    "hard",
    "of the bands: hard, or butterworth of order 2",
    settings.one_of(SHAPES),
  )
  fill: str = settings.setting(
    "angle",
    "phase where none is left: angle, 1 radian, as the paper's transfer function reads; phasor, 0",
    settings.one_of(FILLS),
  )

  stage: ClassVar[str] = "image"

  @property
  def on(self) -> bool:
    return (self.amplitude, self.phase) != ("all", "all")

  def __call__(self, batch: Batch) -> Batch:
    images = batch.images.astype(jnp.float32) / 255
    left = spectrum.band_recombine(
      images,
      images,
      self.amplitude,
      self.phase,
      radii=self.radii,
      shape=self.shape,
      fill=self.fill,
    )
    return batch.change(images=255 * left)

"""What a network is shown that knows a band of the amplitude and a band of the phase alone."""

import dataclasses

import jax

from apr_jax import spectrum


@dataclasses.dataclass(frozen=True)
class BandInput:
  """The first step of a network that was trained on parts of amplitude and phase.

  Gradients end here.

  Attributes:
    amplitude, phase: bands that are left, "all" or a name of `spectrum.BANDS`.
    radii, shape, fill: as of `spectrum.band_recombine`.
  """

  amplitude: str
  phase: str
  radii: tuple[float, ...]
  shape: str
  fill: str

  def __call__(self, images: jax.Array) -> jax.Array:
    """Images float `[B, H, W, 3]` in [0, 1] → what is left of them, float32, not clipped."""
    return spectrum.band_recombine(
      images,
      images,
      self.amplitude,
      self.phase,
      radii=self.radii,
      shape=self.shape,
      fill=self.fill,
    )

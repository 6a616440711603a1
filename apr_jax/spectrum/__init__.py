"""Mathematics of images in the frequency domain: polar form, recombination, bands, single
frequencies.
"""

from apr_jax.spectrum.bands import BANDS, band_masks, band_recombine, band_weights, rings
from apr_jax.spectrum.recombination import (
  HWC,
  amplitude_phase,
  from_half_spectrum,
  half_spectrum,
  phase_factor,
  recombine,
)
from apr_jax.spectrum.waves import TEMPLATES, fourier_basis, template_contrasts, templates

__all__ = [
  "BANDS",
  "HWC",
  "TEMPLATES",
  "amplitude_phase",
  "band_masks",
  "band_recombine",
  "band_weights",
  "fourier_basis",
  "from_half_spectrum",
  "half_spectrum",
  "phase_factor",
  "recombine",
  "rings",
  "template_contrasts",
  "templates",
]

"""Figure 6: a phase as the contrasts of four templates.

With θ = −2π(u·y/H + v·x/W) the four templates max(cos θ, 0), max(−cos θ, 0), max(sin θ, 0) and
max(−sin θ, 0) are nowhere negative, as receptive fields are. The contrast of the first two is the
real part of the DFT of an image at (u, v), that of the last two the imaginary part, and the phase
is the angle of the two contrasts.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Equations 3 and 4, Figure 6.
"""

import dataclasses
import functools
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import data, spectrum
from apr_jax.data.array_data import SPLITS
from apr_jax.errors import UserError
from apr_jax.report import html, plots
from apr_jax.settings import at_least, one_of, setting
from apr_jax.studies.study import Part, Request, Study

_TITLES = ("cos⁺", "cos⁻", "sin⁺", "sin⁻")  # of spectrum.TEMPLATES, in their order


@dataclasses.dataclass(frozen=True)
class Templates(Study):
  """One frequency of one image, and a check of all frequencies."""

  data: str = setting("photo_patches", "name of the data set of the image")
  split: str = setting("test", "train or test", one_of(SPLITS))
  image: int = setting(150, "its place in the split", at_least(0))
  row: int = setting(2, "the frequency, in cycles per image height")
  column: int = setting(1, "the frequency, in cycles per image width")

  title: ClassVar[str] = "Phase as contrasts of templates"
  asks: ClassVar[str] = (
    "Is the phase of a frequency the angle of two contrasts, each of two templates that are "
    "nowhere negative?"
  )
  published: ClassVar[str] = "it is, by definition (APR, Equations 3 and 4, Figure 6)"
  takes: ClassVar[frozenset[str]] = frozenset({"data_dir"})

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """Where the image was found, and a checksum of it."""
    return {
      "source": data.source_of(self.data, request.data_dir),
      "checksum": zlib.crc32(np.ascontiguousarray(self._image(request)).data),
    }

  def parts(self, request: Request) -> Iterator[Part]:
    """The frequency, and the comparison of all with the DFT."""
    yield "frequency", functools.partial(self._frequency, request)
    yield "against_dft", functools.partial(self._against_dft, request)

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "frequency": the "image" `[H][W]` in [0, 1]; "responses" {template: inner product};
    "contrasts" [real, imaginary]; "phase" in radians, and "dft", the DFT's value and phase.
    "against_dft": the largest "difference" of contrasts and DFT over all frequencies relative to
    the largest amplitude, and the largest "phase_difference" in radians where the amplitude is
    above a thousandth of the largest. "agrees": both are within rounding, 1e-5 and 1e-2.
    """
    against = results["against_dft"]
    agrees = against["difference"] < 1e-5 and against["phase_difference"] < 1e-2
    return {**results, "at": [self.row, self.column], "agrees": agrees}

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The contrasts, and the largest difference."""
    found, against = summary["frequency"], summary["against_dft"]
    real, imaginary = found["contrasts"]
    return [
      f"at {tuple(summary['at'])}: contrasts {real:.4f} and {imaginary:.4f}, phase "
      f"{found['phase']:.4f} rad; the DFT has {found['dft']['phase']:.4f} rad",
      f"over {against['frequencies']} frequencies the contrasts differ from the DFT by at most "
      f"{against['difference']:.1e} of the largest amplitude, the phases by "
      f"{against['phase_difference']:.1e} rad",
    ]

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """The image, the four templates, and the two contrasts as an arrow."""
    found = summary["frequency"]
    image = np.array(found["image"])
    figure, frames = plots.frames(1, 6, 10.5, 2.2)
    pictures = [image, *spectrum.templates(*summary["at"], *image.shape)]
    titles = ["image x", *(f"⟨x, {name}⟩ = {found['responses'][name]:.1f}" for name in _TITLES)]
    for axes, picture, title in zip(frames[0], pictures, titles):
      axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
      axes.set(xticks=[], yticks=[])
      axes.set_title(title, fontsize=9)
    axes = frames[0][5]
    real, imaginary = found["contrasts"]
    reach = 1.25 * max(abs(real), abs(imaginary), 1e-9)
    axes.axhline(0, color="#888888", linewidth=0.8)
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.plot((0, real), (0, imaginary), color=plots.COLOURS[0], linewidth=2)
    axes.plot(real, imaginary, "o", color=plots.COLOURS[1])
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.tick_params(labelsize=7)
    axes.set_xlabel("cos⁺ − cos⁻ (real)", fontsize=8)
    axes.set_ylabel("sin⁺ − sin⁻ (imaginary)", fontsize=8)
    axes.set_title(f"phase {found['phase']:.2f} rad", fontsize=9)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """The numbers of the frequency."""
    found = summary["frequency"]
    rows: list[list[str | float | None]] = [
      [f"⟨x, {name}⟩", response] for name, response in found["responses"].items()
    ]
    rows += [
      ["real contrast", found["contrasts"][0]],
      ["real part of the DFT", found["dft"]["real"]],
      ["imaginary contrast", found["contrasts"][1]],
      ["imaginary part of the DFT", found["dft"]["imaginary"]],
    ]
    return [html.table(["", "value"], rows, f"Frequency {tuple(summary['at'])}")]

  def _image(self, request: Request) -> np.ndarray:
    """Grey, float64 `[H, W]` in [0, 1]."""
    images = data.load(self.data, self.split, data_dir=request.data_dir).images
    if self.image >= len(images):
      raise UserError(
        f"{self.data!r} has {len(images)} images in its {self.split} split; give --option image= "
        f"a place below that, got {self.image}"
      )
    return images[self.image].mean(-1) / 255

  def _frequency(self, request: Request) -> dict[str, Any]:
    image = self._image(request)
    responses = np.tensordot(
      np.asarray(spectrum.templates(self.row, self.column, *image.shape), np.float64), image, axes=2
    )
    real, imaginary = map(
      float, spectrum.template_contrasts(jnp.asarray(image), self.row, self.column)
    )
    exact = np.fft.fft2(image)[self.row % image.shape[0], self.column % image.shape[1]]
    return {
      "image": np.round(image, 4).tolist(),
      "responses": dict(zip(_TITLES, responses.tolist())),
      "contrasts": [real, imaginary],
      "phase": float(np.arctan2(imaginary, real)),
      "dft": {"real": exact.real, "imaginary": exact.imag, "phase": float(np.angle(exact))},
    }

  def _against_dft(self, request: Request) -> dict[str, Any]:
    image = self._image(request)
    rows, columns = (axis.ravel() for axis in np.indices(image.shape))
    contrasts = jax.vmap(functools.partial(spectrum.template_contrasts, jnp.asarray(image)))
    real, imaginary = (
      np.asarray(part, np.float64) for part in contrasts(jnp.asarray(rows), jnp.asarray(columns))
    )
    found, exact = real + 1j * imaginary, np.fft.fft2(image).ravel()
    clear = np.abs(exact) > 1e-3 * np.abs(exact).max()
    return {
      "frequencies": len(exact),
      "difference": float(np.abs(found - exact).max() / np.abs(exact).max()),
      "phase_difference": float(np.abs(np.angle(found[clear] / exact[clear])).max()),
    }

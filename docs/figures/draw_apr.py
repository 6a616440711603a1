"""The figures of docs/explanation/apr.md: what amplitude and phase hold, and what APR makes.

    python docs/figures/draw_apr.py

Of scikit-learn's two photographs. The draws are those of fixed keys.
"""

import jax
import jax.numpy as jnp
import numpy as np
from canvas import Canvas, write
from photographs import temple_and_flower

import apr_jax
from apr_jax.augment.apr import to_uint8

WIDTH, STEP = 900, 228
SIZE = (216, 144)


def main() -> None:
  photographs = temple_and_flower()
  write(
    "spectrum",
    (WIDTH, 186),
    "A photograph, its amplitude spectrum, the image with its amplitude and no phase, and the "
    "image with its phase and equal amplitudes, which shows the edges.",
    lambda canvas: row(canvas, spectrum_row(photographs[0])),
  )
  write(
    "apr",
    (WIDTH, 372),
    "Two photographs, the same after APR-P, which exchanged their amplitudes, and after APR-S.",
    lambda canvas: apr_rows(canvas, photographs),
  )


def spectrum_row(photo: np.ndarray) -> list[tuple[str, np.ndarray]]:
  """Titles and pictures: the image, its amplitude, and what is left without phase or amplitude."""
  image = jnp.asarray(photo, jnp.float32)
  amplitude, phase = apr_jax.amplitude_phase(image, axes=(-3, -2))
  centred = np.fft.fftshift(np.log1p(np.asarray(amplitude.mean(-1))))
  shade = np.rint(255 * centred / centred.max()).astype(np.uint8)
  without_phase = jnp.fft.ifft2(amplitude.astype(jnp.complex64), axes=(-3, -2)).real
  without_amplitude = jnp.fft.ifft2(jnp.exp(1j * phase), axes=(-3, -2)).real
  return [
    ("image", photo),
    ("its amplitude (log)", np.repeat(shade[..., None], 3, -1)),
    ("amplitude alone", stretched(np.fft.fftshift(np.asarray(without_phase), axes=(0, 1)))),
    ("phase alone", stretched(np.asarray(without_amplitude))),
  ]


def stretched(values: np.ndarray) -> np.ndarray:
  """Floats as a grey picture between their 1st and 99th percentile; uint8 `[H, W, 3]`."""
  grey = values.mean(-1)
  low, high = np.percentile(grey, (1, 99))
  grey = np.rint(255 * np.clip((grey - low) / (high - low), 0, 1)).astype(np.uint8)
  return np.repeat(grey[..., None], 3, -1)


def row(canvas: Canvas, pictures: list[tuple[str, np.ndarray]], top: float = 0) -> None:
  for column, (title, picture) in enumerate(pictures):
    canvas.image(STEP * column, top + 26, *SIZE, picture, photo=True)
    canvas.text(STEP * column + SIZE[0] / 2, top + 18, title, anchor="middle", bold=True)


def apr_rows(canvas: Canvas, photographs: np.ndarray) -> None:
  pair_key, single_key = jax.random.split(jax.random.key(6))
  pairs = apr_jax.apr_p(pair_key, jnp.asarray(photographs / 255, jnp.float32), prob=1.0)
  mixed = np.asarray(to_uint8(255 * pairs, "clip"))
  single = [np.asarray(apr_jax.apr_s(key, photographs)) for key in jax.random.split(single_key, 2)]
  for number, photo in enumerate(photographs):
    pictures = [("image", photo), ("after APR-P", mixed[number])]
    pictures += [("after APR-S", views[number]) for views in single]
    row(canvas, pictures, top=186 * number)


if __name__ == "__main__":
  main()

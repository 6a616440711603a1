"""The figure of docs/explanation/past.md: what AFA, PRIME and VIPAug make of two photographs.

    python docs/figures/draw_past.py

Of scikit-learn's two photographs. The draws are those of a fixed key.
"""

import jax
import jax.numpy as jnp
import numpy as np
from canvas import write
from draw_apr import WIDTH, row
from photographs import temple_and_flower

from apr_jax import augment
from apr_jax.augment.apr import to_uint8

KEY = 4


def main() -> None:
  photographs = temple_and_flower()
  made = pictures(photographs)

  def draw(canvas):
    for number in range(len(photographs)):
      row(canvas, [(title, of[number]) for title, of in made], top=186 * number)

  write(
    "past",
    (WIDTH, 372),
    "Two photographs, the same with a wave on each channel (AFA), after a mixture of random "
    "transforms (PRIME), and with noise on the phases of recombined views (VIPAug-G).",
    draw,
  )


def pictures(photographs: np.ndarray) -> list[tuple[str, np.ndarray]]:
  """Titles, and pictures uint8 `[N, H, W, 3]`."""
  floats = jnp.asarray(photographs / 255, jnp.float32)
  afa_key, prime_key, vipaug_key = jax.random.split(jax.random.key(KEY), 3)
  waved, mixed = augment.afa(afa_key, floats), augment.prime(prime_key, floats)
  noisy = augment.vipaug(vipaug_key, photographs, vital=0.001, other=0.014)
  return [
    ("image", photographs),
    ("with AFA", np.asarray(to_uint8(255 * waved, "clip"))),
    ("after PRIME", np.asarray(to_uint8(255 * mixed, "clip"))),
    ("after VIPAug-G", np.asarray(noisy)),
  ]


if __name__ == "__main__":
  main()

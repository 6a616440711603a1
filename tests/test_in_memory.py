"""Where a program for a CPU puts an array into memory, and that all other programs are as they
were.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.in_memory import in_memory

ANGLES = np.linspace(0, 1, 8, dtype=np.float32)
IMAGES = np.random.default_rng(0).uniform(size=(8, 16, 16)).astype(np.float32)


def turned(angle, image, once=in_memory):
  """What reads the sine of one angle at each pixel."""
  return jnp.where(image > 0.5, image * once(jnp.sin(angle)), image)


def as_it_is(angle, image):
  return turned(angle, image, once=lambda x: x)


def computes_the_sine_by_itself(function) -> bool:
  """Whether the compiled program of a batch does so outside of what it computes for each pixel."""
  text = jax.jit(jax.vmap(function)).lower(ANGLES, IMAGES).compile().as_text()
  (computation,) = (part for part in text.split("\n\n") if " sine(" in part)
  return computation.startswith("ENTRY") or "[8,16,16]" not in computation


def test_the_values_are_those_of_the_array():
  expected = np.where(IMAGES > 0.5, IMAGES * np.sin(ANGLES)[:, None, None], IMAGES)
  np.testing.assert_allclose(jax.vmap(turned)(ANGLES, IMAGES), expected, rtol=1e-6)


def test_the_gradient_passes():
  found = jax.vmap(jax.grad(lambda angle, image: turned(angle, image).sum()))(ANGLES, IMAGES)
  expected = np.cos(ANGLES) * np.where(IMAGES > 0.5, IMAGES, 0).sum((1, 2))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices get the plain program")
def test_a_cpu_computes_it_once_and_not_for_each_pixel():
  assert computes_the_sine_by_itself(turned)
  assert not computes_the_sine_by_itself(as_it_is)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_programs_of_other_devices_are_as_without_it(platform):
  def text(function):
    traced = jax.jit(lambda *of_batch: jax.vmap(function)(*of_batch)).trace(ANGLES, IMAGES)
    return traced.lower(lowering_platforms=(platform,)).as_text()

  assert text(turned) == text(as_it_is)

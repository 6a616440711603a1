"""Named random streams and keys by position."""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys

KEY = jax.random.key(3)


def data(key):
  return jax.random.key_data(key).tolist()


def test_a_stream_is_a_function_of_key_and_name():
  names = ("crop", "flip", "augment", "dropout", "adversary", "step", "order", "parameters", "run")
  streams = [data(keys.stream(key, name)) for key in (KEY, jax.random.key(4)) for name in names]
  assert len({tuple(stream) for stream in streams}) == 2 * len(names)
  assert data(keys.stream(KEY, "crop")) == data(jax.jit(lambda k: keys.stream(k, "crop"))(KEY))


def test_the_number_behind_a_name_is_the_same_everywhere():
  # crc32("crop") is 0xEDC23D9B, above the largest int32.
  import zlib

  number = zlib.crc32(b"crop")
  assert number > 2**31
  assert data(keys.stream(KEY, "crop")) == data(jax.random.fold_in(KEY, jnp.uint32(number)))


def test_steps_have_keys_of_their_own_stream():
  steps = {tuple(data(keys.of_step(KEY, step))) for step in range(5)}
  assert len(steps) == 5
  assert steps.isdisjoint(tuple(data(jax.random.fold_in(KEY, step))) for step in range(5))
  assert data(jax.jit(keys.of_step)(KEY, jnp.int32(2))) == data(keys.of_step(KEY, 2))


def test_keys_of_images_go_by_position():
  images = np.zeros((4, 2))
  whole = jax.random.key_data(keys.per_image(KEY, images))
  part = jax.random.key_data(keys.per_image(KEY, images[:2], jnp.array([2, 1])))
  np.testing.assert_array_equal(part, whole[jnp.array([2, 1])])

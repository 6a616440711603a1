"""Two augmented views of each image, drawn from the operations of `ops`: the ground of APR-S and of
HybridAugment on single images, which differ in how they combine the two.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from apr_jax.augment import ops


class Views(NamedTuple):
  """Two augmented views of each image, and what the coins say about them.

  Attributes:
    first: uint8 `[B, H, W, 3]`, one operation.
    second: uint8 `[B, H, W, 3]`, another operation on top.
    chosen, stop, reverse: bool `[B, 1, 1, 1]`: augment at all; the first view is the result; the
      second view comes first when the two are combined.
  """

  first: jax.Array
  second: jax.Array
  chosen: jax.Array
  stop: jax.Array
  reverse: jax.Array

  def in_order(self) -> tuple[jax.Array, jax.Array]:
    """The two views in the order of the fair coin."""
    return (
      jnp.where(self.reverse, self.second, self.first),
      jnp.where(self.reverse, self.first, self.second),
    )

  def result(self, images: jax.Array, combined: jax.Array) -> jax.Array:
    """The images, the first views or the combined ones, as the coins say; uint8 `[B, H, W, 3]`."""
    return jnp.where(self.chosen, jnp.where(self.stop, self.first, combined), images)


def two_views(
  image_keys: jax.Array, images: jax.Array, severity: float, prob: float, form: str | None = None
) -> Views:
  """Draws the views of uint8 `[B, H, W, 3]` images from one key per image; `form` as in
  `forms.by_platform`.
  """

  def draw(key: jax.Array, image: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    chosen_key, first_key, stop_key, second_key, reverse_key = jax.random.split(key, 5)
    # All draws of a kind at once: a TPU takes as long for one.
    drawn = jax.vmap(ops.draw_op, (0, None))(jnp.stack([first_key, second_key]), severity)
    coins = jax.vmap(jax.random.bernoulli)(
      jnp.stack([chosen_key, stop_key, reverse_key]), jnp.array([prob, 0.5, 0.5])
    )
    first, second = (jax.tree.map(lambda x, n=number: x[n], drawn) for number in (0, 1))
    view = ops.apply_op(image, first, severity, form)
    return view, ops.apply_op(view, second, severity, form), coins

  first, second, coins = jax.vmap(draw)(image_keys, images)
  return Views(first, second, *coins.T.reshape(3, -1, 1, 1, 1))

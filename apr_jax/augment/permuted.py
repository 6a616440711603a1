"""A batch in another order: what pairs its images."""

import jax
import jax.numpy as jnp

from apr_jax import forms


def permuted(values: jax.Array, permutation: jax.Array, form: str | None = None) -> jax.Array:
  """`values[permutation]` of float32 `[B, ...]`; `form` as in `forms.by_platform`."""

  def by_index(values: jax.Array, permutation: jax.Array) -> jax.Array:
    return values[permutation]

  def by_product(values: jax.Array, permutation: jax.Array) -> jax.Array:
    # A TPU keeps the images of a batch side by side, not one after the other.
    one_hot = jax.nn.one_hot(permutation, len(values))
    return jnp.tensordot(one_hot, values, 1, precision=jax.lax.Precision.HIGHEST)

  return forms.by_platform(by_index, by_product, values, permutation, form=form)

"""A batch in another order: what pairs its images."""

import jax
import jax.numpy as jnp

from apr_jax import forms
from apr_jax.device_group import ALONE, DeviceGroup


def permuted(
  values: jax.Array,
  permutation: jax.Array,
  form: str | None = None,
  group: DeviceGroup = ALONE,
) -> jax.Array:
  """The rows of a batch, or of a group's batches one after the other, in another order.

  Args:
    values: float32 `[B, ...]`; what each device of the group holds is sent to all of it.
    permutation: int `[B]`, places in the group's N·B rows.
    form: as in `forms.by_platform`.
    group: of N devices; by default the device alone.

  Returns:
    float32 `[B, ...]`.
  """

  def by_index(values: jax.Array, permutation: jax.Array) -> jax.Array:
    return values[permutation]

  def by_product(values: jax.Array, permutation: jax.Array) -> jax.Array:
    # A TPU keeps the images of a batch side by side, not one after the other.
    one_hot = jax.nn.one_hot(permutation, len(values))
    return jnp.tensordot(one_hot, values, 1, precision=jax.lax.Precision.HIGHEST)

  return forms.by_platform(by_index, by_product, group.gather(values), permutation, form=form)

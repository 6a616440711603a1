"""Which form of a computation a device gets: the one place that decides by the platform.

CPUs and GPUs read an array at computed places as fast as in order. A TPU reads such places one by
one, while comparisons, selections and products of matrices cost it next to nothing. So a few
functions have two forms with the same results: "index" reads by index, "product" compares, selects
and multiplies.
"""

from collections.abc import Callable
from typing import Any

import jax

from apr_jax.errors import lookup


def by_platform(
  index: Callable[..., Any], product: Callable[..., Any], *arrays: Any, form: str | None = None
) -> Any:
  """`product(*arrays)` on a TPU, `index(*arrays)` elsewhere.

  A program compiled for one platform holds one of them. Both return the same shapes and dtypes.

  Args:
    index, product: the two forms.
    arrays: what they take.
    form: "index" or "product" forces one; None leaves it to the platform that the program is
      compiled for, whether or not this machine has it.
  """
  if form is None:
    return jax.lax.platform_dependent(*arrays, tpu=product, default=index)
  return lookup({"index": index, "product": product}, form, "form")(*arrays)

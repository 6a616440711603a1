"""Grad-CAM: where in the image a network sees a class (https://arxiv.org/abs/1610.02391), as in
APR's Figure 8.

    map = ReLU(Σ_k α_k A_k),   α_k = mean over the places of ∂ score / ∂ A_k

with A the last feature map before pooling and the score the logit of the class.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from apr_jax.errors import UserError


def grad_cam(
  apply: Callable[..., Any], variables: Mapping[str, Any], images: jax.Array, classes: jax.Array
) -> jax.Array:
  """One map per image, at the size of the network's last feature map.

  Args:
    apply: of a `models.NormalisedNetwork`.
    variables: its "params" and "batch_stats".
    images: uint8 `[N, H, W, 3]`.
    classes: int `[N]`, the class whose logit is explained, per image.

  Returns:
    float32 `[N, h, w]` in [0, 1]: 1 is the largest value of each image; a map that is zero
    everywhere stays zero.

  Raises:
    UserError: the network does not mark its last feature map.
  """
  inputs = jnp.asarray(images).astype(jnp.float32) / 255

  def run(variables: Mapping[str, Any]) -> tuple[jax.Array, Mapping[str, Any]]:
    return apply(variables, inputs, mutable=["intermediates"])

  marked = jax.eval_shape(run, variables)[1].get("intermediates", {})
  if len(jax.tree.leaves(marked)) != 1:
    raise UserError(
      "Grad-CAM needs the last feature map of the network, which does not mark it; pass it through "
      "apr_jax.models.layers.mark_last_map before the pool"
    )

  def score(perturbations: Any) -> tuple[jax.Array, Any]:
    logits, state = run({**variables, "perturbations": perturbations})
    # In inference images do not see each other: the gradient of the sum has that of each image.
    return jnp.take_along_axis(logits, classes[:, None], axis=1).sum(), state["intermediates"]

  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), marked)
  trees = jax.grad(score, has_aux=True)(zeros)
  gradient, activation = (jax.tree.leaves(tree)[0].astype(jnp.float32) for tree in trees)
  maps = jax.nn.relu((gradient.mean((1, 2), keepdims=True) * activation).sum(-1))
  largest = maps.max((1, 2), keepdims=True)
  return maps / jnp.where(largest > 0, largest, 1)


def enlarge(maps: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Maps float `[N, h, w]` → float32 `[N, H, W]` with (H, W) = `size`, bilinearly, to lie over the
  images.
  """
  return jax.image.resize(maps.astype(jnp.float32), (len(maps), *size), "linear", antialias=False)

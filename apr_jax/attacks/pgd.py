"""Adversarial examples for training: projected gradient ascent (PGD) on the loss, within a box
around each image.

With one step it is Fast FGSM: epsilon 8, a step of 10, random start.

References: Madry et al., ICLR 2018 (https://arxiv.org/abs/1706.06083) and released code
(cifar10_challenge: epsilon 8 of 255, 10 steps of 2, random start); Wong et al., Fast is better than
free, ICLR 2020 (https://arxiv.org/abs/2001.03994) and released code.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from apr_jax import keys, settings
from apr_jax.errors import UserError

if TYPE_CHECKING:
  import ml_collections

OUTSIDE = settings.one_of(("stay", "pull"))
"""The rule of `outside` in `pgd`."""

Adversary = Callable[..., jax.Array]
"""`pgd` with its numbers: (key, views, loss of views, positions=...) → attacked views."""


def make_adversary(adversary: "ml_collections.ConfigDict") -> Adversary | None:
  """The adversary of `config.adversary`, whose lengths are in levels of 0..255; None where it has
  no steps.
  """
  if adversary.steps == 0:
    return None
  return functools.partial(
    pgd,
    steps=adversary.steps,
    epsilon=adversary.epsilon / 255,
    step_size=adversary.step_size / 255,
    random_start=adversary.random_start,
    outside=adversary.outside,
  )


def pgd(
  key: jax.Array,
  views: jax.Array,
  loss_of_views: Callable[[jax.Array], jax.Array],
  *,
  steps: int,
  epsilon: float,
  step_size: float,
  random_start: bool = True,
  outside: str = "stay",
  positions: jax.Array | None = None,
  unroll: bool | None = None,
) -> jax.Array:
  """Changes every value by at most `epsilon`, so that the loss rises, and keeps it in [0, 1].

  Each step moves every value by `step_size` in the direction of the sign of its gradient, and back
  into the allowed interval: what [v − epsilon, v + epsilon] and [0, 1] share. They share nothing
  for some values of APR-P, which `outside` is about.

  Args:
    key: PRNG key; image i uses `fold_in(key, positions[i])`.
    views: float `[V, B, H, W, 3]`, V views of each image.
    loss_of_views: such views → float `[]`; the attack raises it.
    steps: of ascent.
    epsilon, step_size: in units of [0, 1].
    random_start: start from a uniformly drawn point of the intervals, else from the views
      themselves.
    outside: of a value that is further than `epsilon` outside [0, 1]: "stay" makes it the end of
      the first interval that is nearest to [0, 1]; "pull" makes it 0 or 1, however far, as the code
      of APR's adversarial training does. Other values are the same either way.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.
    unroll: write the steps out instead of looping; None: on CPU, where convolutions in loops are
      slow.

  Returns:
    float32 `[V, B, H, W, 3]`; no gradient flows through it.

  Raises:
    UserError: `outside` is something else.
  """
  if not OUTSIDE(outside):
    raise UserError(f"outside must be {OUTSIDE.text}, got {outside!r}")
  views = views.astype(jnp.float32)
  if outside == "stay":
    lower, upper = (jnp.clip(end, views - epsilon, views + epsilon) for end in (0.0, 1.0))
  else:
    lower, upper = (jnp.clip(views + reach, 0.0, 1.0) for reach in (-epsilon, epsilon))
  gradient = jax.grad(loss_of_views)

  def ascend(_: int | jax.Array, attacked: jax.Array) -> jax.Array:
    return jnp.clip(attacked + step_size * jnp.sign(gradient(attacked)), lower, upper)

  attacked = views
  if random_start:
    attacked = jnp.clip(views + _noise(key, views, epsilon, positions), lower, upper)
  if unroll is None:
    unroll = jax.default_backend() == "cpu"
  if unroll:
    for step in range(steps):
      attacked = ascend(step, attacked)
  else:
    attacked = jax.lax.fori_loop(0, steps, ascend, attacked)
  return jax.lax.stop_gradient(attacked)


def _noise(
  key: jax.Array, views: jax.Array, epsilon: float, positions: jax.Array | None
) -> jax.Array:
  """U(−epsilon, epsilon), of the views' shape."""
  shape = (len(views), *views.shape[2:])
  return jax.vmap(
    lambda key: jax.random.uniform(key, shape, minval=-epsilon, maxval=epsilon), out_axes=1
  )(keys.per_image(key, views[0], positions))

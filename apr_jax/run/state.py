"""Everything a run needs to continue: the state that steps transform and checkpoints hold."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from apr_jax import keys
from apr_jax.models import NormalisedNetwork


class TrainState(flax.struct.PyTreeNode):
  """What a step transforms.

  Attributes:
    step: int32 `[]`, steps done.
    key_data: uint32 `[2]`, the run's key as `jax.random.key_data` gives it: with several processes,
      a typed key would make each step wait until the one that returns it has ended.
    params: float32 tree.
    batch_stats: float32 tree, running statistics of batch normalisation.
    opt_state: the optimizer's.
    average: moving average of `variables`, a tree as they are; None: there is none.
  """

  step: jax.Array
  key_data: jax.Array
  params: Any
  batch_stats: Any
  opt_state: optax.OptState
  average: Any = None

  @property
  def key(self) -> jax.Array:
    """PRNG key of the run; the next step uses `keys.of_step(key, step)`."""
    return jax.random.wrap_key_data(self.key_data)

  @property
  def variables(self) -> dict[str, Any]:
    """What the model's `apply` takes."""
    return {"params": self.params, "batch_stats": self.batch_stats}


def create_state(
  seed: int,
  model: NormalisedNetwork,
  image_size: tuple[int, int],
  optimizer: optax.GradientTransformation,
  average: bool = False,
) -> TrainState:
  """The state before the first step, a function of the seed alone.

  Args:
    seed: of the run.
    model: the network.
    image_size: (H, W) in pixels.
    optimizer: the update rule.
    average: whether a moving average of the variables is kept; it starts from them.
  """
  key = jax.random.key(seed)
  # Nothing is computed but what the parameters start from.
  variables = model.lazy_init(
    keys.stream(key, "parameters"),
    jax.ShapeDtypeStruct((1, *image_size, 3), jnp.float32),
    train=False,
  )
  state = TrainState(
    step=jnp.zeros((), jnp.int32),
    key_data=jax.random.key_data(keys.stream(key, "run")),
    params=variables["params"],
    batch_stats=variables.get("batch_stats", {}),
    opt_state=jax.jit(optimizer.init)(variables["params"]),
  )
  return state.replace(average=state.variables) if average else state

"""Which batch normalisation images pass through: the network's own, or an auxiliary one beside it.

    with through(AUXILIARY):
      logits = network(images, train)

An auxiliary route has scale, bias and running statistics of its own in every `layers.BatchNorm`;
all other parameters are shared. So augmented images of another kind train the same convolutions and
leave the statistics of the others alone. In inference the main route is taken, and the auxiliary
one is of no use.

References: Xie et al., Adversarial Examples Improve Image Recognition, CVPR 2020
(https://arxiv.org/abs/1911.09665), who call it an auxiliary batch norm; Wang et al., AugMax,
NeurIPS 2021 (https://arxiv.org/abs/2110.13771), whose networks also split the first norms of blocks
in instance and batch normalisation. Here they do not.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

from flax import traverse_util

MAIN, AUXILIARY = "", "auxiliary_"
"""Routes, by what stands before the names of their variables."""

_ROUTE = contextvars.ContextVar("route of batch normalisation", default=MAIN)


@contextlib.contextmanager
def through(route: str) -> Iterator[None]:
  """Within it, every `layers.BatchNorm` is that of the route."""
  token = _ROUTE.set(route)
  try:
    yield
  finally:
    _ROUTE.reset(token)


def current() -> str:
  """The route of the `through` that this is called in; MAIN outside of any."""
  return _ROUTE.get()


def without_auxiliary(variables: Mapping[str, Any]) -> dict[str, Any]:
  """The variables of the network that has the main route alone, which has the same logits."""
  flat = traverse_util.flatten_dict(dict(variables), keep_empty_nodes=True)
  kept = {path: leaf for path, leaf in flat.items() if not path[-1].startswith(AUXILIARY)}
  return traverse_util.unflatten_dict(kept)


def with_auxiliary(variables: Mapping[str, Any]) -> dict[str, Any]:
  """The variables with an auxiliary route that is a copy of the main one."""
  flat = traverse_util.flatten_dict(dict(variables), keep_empty_nodes=True)
  norms = {path[:-1] for path in flat if path[-1] == "scale"}
  statistics = {("batch_stats", *path[1:]) for path in norms}
  copies = {
    (*path[:-1], AUXILIARY + path[-1]): leaf
    for path, leaf in flat.items()
    if path[:-1] in norms | statistics
  }
  return traverse_util.unflatten_dict(flat | copies)

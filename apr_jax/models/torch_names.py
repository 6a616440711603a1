"""What the parameters are called in PyTorch: the only place that knows the released state dicts.

Of the CIFAR networks the names are those of APR's released code (https://github.com/iCGY96/APR;
AugMix's allconv, densenet, resnext and wide_resnet have the same), of resnet50 torchvision's, and
of resnet50_max_blur those of Zhang's antialiased-cnns. A network without an original in PyTorch is
not listed, and can neither be imported nor exported.

Here a state dict is a dict of NumPy arrays, and variables are a `zoo.NormalisedNetwork`'s
{"params": ..., "batch_stats": ...}. Kernels are HWIO here and OIHW there, linear layers [in, out]
here and [out, in] there. Nothing is computed, so going there and back is exact.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from apr_jax.errors import UserError, lookup, one_line
from apr_jax.models.resnet_imagenet import BLUR

# A counter of PyTorch's batch normalisation, which nothing reads as long as the momentum is a
# number.
_IGNORED = ".num_batches_tracked"
_SHOWN = 3  # names of each kind in an error

_LEAVES = {
  "kernel": "weight",
  "bias": "bias",
  "scale": "weight",
  "mean": "running_mean",
  "var": "running_var",
}
_TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}  # permutation by the number of axes
_FROM_TORCH = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}


@dataclasses.dataclass(frozen=True)
class _Names:
  """How PyTorch names the modules of a network.

  Attributes:
    block: of our module stage{stage}_block{block}; {index} is the block's, counted from 0.
    inside: names of a block's modules → PyTorch's.
    outside: names of the other modules, and of exceptions inside blocks ("stage2_block1/conv3") →
      PyTorch's.
    constants: arrays that PyTorch stores and that are part of our code: name → array.
  """

  block: str
  inside: Mapping[str, str]
  outside: Mapping[str, str]
  constants: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  def module(self, path: str) -> str:
    """Our path of a module → PyTorch's: "stage2_block1/conv1" → "layer2.0.conv1", for a ResNet."""
    if path in self.outside:
      return self.outside[path]
    parts = re.fullmatch(r"stage(\d+)_block(\d+)/(\w+)", path)
    if parts is None:
      raise KeyError(f"no name in PyTorch for {path}")
    stage, block, inner = parts.groups()
    return f"{self.block.format(stage=stage, index=int(block) - 1)}.{self.inside[inner]}"


def _same(*names: str) -> dict[str, str]:
  return {name: name for name in names}


def _blur_filters() -> dict[str, np.ndarray]:
  row = np.array(BLUR, np.float32)
  channels = {"maxpool.1": 64}
  for stage in (2, 3, 4):
    width = 64 * 2 ** (stage - 1)
    channels |= {f"layer{stage}.0.conv3.0": width, f"layer{stage}.0.downsample.0": 2 * width}
  return {
    f"{name}.filt": np.tile(np.outer(row, row), (count, 1, 1, 1))
    for name, count in channels.items()
  }


# our number → index in `features`
_ALLCONV_LAYERS = dict(zip(range(1, 10), (0, 3, 6, 11, 14, 17, 22, 25, 28)))
_ALLCONV = _Names(
  "",
  {},
  {
    **{f"conv{number}": f"features.{index}" for number, index in _ALLCONV_LAYERS.items()},
    **{f"bn{number}": f"features.{index + 1}" for number, index in _ALLCONV_LAYERS.items()},
    "fc": "classifier",
  },
)
_DENSENET = _Names(
  "dense{stage}.{index}",
  _same("bn1", "conv1", "bn2", "conv2"),
  {
    "conv1": "conv1",
    "transition1_bn": "trans1.bn1",
    "transition1_conv": "trans1.conv1",
    "transition2_bn": "trans2.bn1",
    "transition2_conv": "trans2.conv1",
    "bn": "bn1",
    "fc": "fc",
  },
)
_WIDE_RESNET = _Names(
  "block{stage}.layer.{index}",
  _same("bn1", "conv1", "bn2", "conv2") | {"shortcut": "conv_shortcut"},
  {"conv1": "conv1", "bn": "bn1", "fc": "fc"},
)
_RESNEXT = _Names(
  "stage_{stage}.{index}",
  {
    "conv1": "conv_reduce",
    "bn1": "bn_reduce",
    "conv2": "conv_conv",
    "bn2": "bn",
    "conv3": "conv_expand",
    "bn3": "bn_expand",
    "shortcut_conv": "downsample.0",
    "shortcut_bn": "downsample.1",
  },
  {"conv1": "conv_1_3x3", "bn1": "bn_1", "fc": "classifier"},
)
_RESNET_CIFAR = _Names(
  "layer{stage}.{index}",
  _same("conv1", "bn1", "conv2", "bn2")
  | {"shortcut_conv": "shortcut.0", "shortcut_bn": "shortcut.1"},
  {"conv1": "conv1", "bn1": "bn1", "fc": "linear"},
)
_PREACT_RESNET = _Names(
  "layer{stage}.{index}",
  _same("bn1", "conv1", "bn2", "conv2") | {"shortcut": "shortcut.0"},
  {"conv1": "conv1", "bn": "bn", "fc": "linear"},
)
_RESNET50 = _Names(
  "layer{stage}.{index}",
  _same("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")
  | {"shortcut_conv": "downsample.0", "shortcut_bn": "downsample.1"},
  _same("conv1", "bn1", "fc"),
)
# A blur goes before two convolutions of the striding blocks, and moves their index.
_RESNET50_MAX_BLUR = dataclasses.replace(
  _RESNET50,
  constants=_blur_filters(),
  outside={
    **_RESNET50.outside,
    **{
      f"stage{stage}_block1/{ours}": f"layer{stage}.0.{theirs}"
      for stage in (2, 3, 4)
      for ours, theirs in (
        ("conv3", "conv3.1"),
        ("shortcut_conv", "downsample.1"),
        ("shortcut_bn", "downsample.2"),
      )
    },
  },
)

NAMES = {
  "allconv": _ALLCONV,
  "densenet_40_12": _DENSENET,
  "densenet_bc_100_12": _DENSENET,
  "preact_resnet18": _PREACT_RESNET,
  "resnet18_cifar": _RESNET_CIFAR,
  "resnet50": _RESNET50,
  "resnet50_max_blur": _RESNET50_MAX_BLUR,
  "resnext29_32x4": _RESNEXT,
  "wide_resnet_10_1": _WIDE_RESNET,
  "wide_resnet_28_10": _WIDE_RESNET,
  "wide_resnet_40_2": _WIDE_RESNET,
}


def to_state_dict(name: str, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """The state dict of a network of ours, without `num_batches_tracked`, which PyTorch does not ask
  for.

  Args:
    name: of the network in the zoo.
    variables: its params and batch_stats, of NumPy arrays.

  Raises:
    UserError: the network has no counterpart in PyTorch.
  """
  names = _names(name)
  state = {
    _key(names, path): np.ascontiguousarray(leaf.transpose(_TO_TORCH[leaf.ndim]))
    for path, leaf in traverse_util.flatten_dict(variables).items()
  }
  return state | dict(names.constants)


def to_variables(
  name: str, state: Mapping[str, np.ndarray], template: Mapping[str, Any], where: str
) -> dict[str, Any]:
  """Our variables of a state dict.

  Args:
    name: of the network in the zoo.
    state: all its parameters and statistics by their names in PyTorch.
    template: variables of the same structure and shapes, abstract ones suffice.
    where: the origin of `state`, for the message.

  Returns:
    variables with the dtype of the state dict.

  Raises:
    UserError: the network has no counterpart in PyTorch, or the state dict is not one of it. Names
      all that is missing, not known or of another shape, as far as it fits in a line.
  """
  names = _names(name)
  leaves = traverse_util.flatten_dict(template)
  keys = {path: _key(names, path) for path in leaves}
  shapes = {
    keys[path]: tuple(leaf.shape[axis] for axis in _TO_TORCH[len(leaf.shape)])
    for path, leaf in leaves.items()
  }
  shapes |= {key: constant.shape for key, constant in names.constants.items()}
  given = {key: array for key, array in state.items() if not key.endswith(_IGNORED)}
  faults = [
    _listed("missing", [key for key in shapes if key not in given]),
    _listed("unexpected", [one_line(key) for key in given if key not in shapes]),
    _listed(
      "misshapen",
      [
        f"{key} {list(given[key].shape)} instead of {list(shape)}"
        for key, shape in shapes.items()
        if key in given and given[key].shape != shape
      ],
    ),
  ]
  if any(faults):
    raise UserError(
      f"{where} does not fit {name}: {'; '.join(filter(None, faults))}; "
      f"check the model and its number of classes"
    )
  for key, constant in names.constants.items():
    if not np.allclose(given[key], constant, rtol=1e-6):
      raise UserError(
        f"{where} does not fit {name}: its filter {key} is not the binomial one of 4×4"
      )
  return traverse_util.unflatten_dict(
    {
      path: np.ascontiguousarray(given[key].transpose(_FROM_TORCH[given[key].ndim]))
      for path, key in keys.items()
    }
  )


def _names(name: str) -> _Names:
  return lookup(NAMES, name, "network with a counterpart in PyTorch")


def _key(names: _Names, path: tuple[str, ...]) -> str:
  """("params", "network", "stage1_block1", "conv1", "kernel") → "layer1.0.conv1.weight", for a
  ResNet.
  """
  _, _, *modules, leaf = path
  return f"{names.module('/'.join(modules))}.{_LEAVES[leaf]}"


def _listed(kind: str, items: list[str]) -> str:
  """How many there are and which, "2 missing: a, b", with the first few of many; "" for none."""
  more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
  return f"{len(items)} {kind}: {', '.join(items[:_SHOWN])}{more}" if items else ""

"""Makes a workdir of a PyTorch checkpoint, for `evaluate.py` and `apr_jax.load_classifier`:

    python -m apr_jax.import_torch --model NAME --num-classes K --checkpoint F.pth --workdir DIR

The file holds a state dict with the names of `apr_jax/models/torch_names.py`, as it is or under
"state_dict", "net" or "model", with or without DataParallel's "module." before the names. It is
read without running code from it. The network runs in float32, so that its logits are PyTorch's.
The folder holds `checkpoints/` and, in place of a training's configuration, `network.json`: see
`apr_jax/run/network.py`.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from apr_jax import cli, defaults, files, models, parallel
from apr_jax.errors import UserError, lookup, one_line
from apr_jax.models import torch_names
from apr_jax.models.first_layer import KERNEL_SIZES
from apr_jax.run import checkpoint, configuration
from apr_jax.run.network import Import, write_import

FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
  "model", None, "Name of the network, of apr_jax/models/zoo.py.", flag_values=FLAGS, required=True
)
_NUM_CLASSES = flags.DEFINE_integer(
  "num_classes", None, "Number of logits.", flag_values=FLAGS, required=True
)
flags.DEFINE_alias("num-classes", "num_classes", flag_values=FLAGS)
_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "The PyTorch file.", flag_values=FLAGS, required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder to make.", flag_values=FLAGS, required=True)
_DATA = flags.DEFINE_string(
  "data",
  None,
  "Data set to evaluate on; default: CIFAR-10, CIFAR-100 or ImageNet.",
  flag_values=FLAGS,
)
_MEAN = flags.DEFINE_list(
  "mean",
  None,
  "Of the input normalisation, R,G,B; default: CIFAR's or ImageNet's.",
  flag_values=FLAGS,
)
_STD = flags.DEFINE_list(
  "std",
  None,
  "Likewise; the released adversarial training has 0.2471,0.2435,0.2616.",
  flag_values=FLAGS,
)

_FIRST_KERNEL = flags.DEFINE_integer(
  "first_kernel",
  0,
  "Side of the first convolution's filters in pixels, where it is not the network's own; it is "
  "padded by half of it.",
  flag_values=FLAGS,
)

_NESTED = ("state_dict", "net", "model")  # where training scripts put the state dict
_PREFIX = "module."  # what DataParallel puts before its names
_CIFAR = {10: "cifar10", 100: "cifar100"}  # data set by number of classes
_CIFAR_SIZE = 32  # pixels
_IMAGENET_NETWORKS = ("resnet50", "resnet50_max_blur")
_IMAGENET, _IMAGENET_SIZE, _IMAGENET_RESIZE = "imagenet2012", 224, 256
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def import_checkpoint(
  model: str,
  num_classes: int,
  file: str,
  workdir: str,
  *,
  data: str | None = None,
  mean: Sequence[float] | None = None,
  std: Sequence[float] | None = None,
  first_kernel: int = 0,
) -> Import:
  """Writes a workdir that holds the network of a PyTorch checkpoint.

  Args:
    model: name of the network in the zoo.
    num_classes: number of logits.
    file: the checkpoint.
    workdir: folder to make, or one without a run.
    data: the data set to evaluate on; default: ImageNet for the networks of ImageNet, else CIFAR-10
      or CIFAR-100 by `num_classes`, and "" (evaluation refuses it, `load_classifier` does not) for
      another number.
    mean, std: of the input normalisation, in units of [0, 1]; default: those of
      `apr_jax/defaults.py`, which are CIFAR's, or ImageNet's.
    first_kernel: side of the first convolution's filters in pixels, padded by half of it; 0 = the
      network's own.

  Returns:
    what is written beside the parameters. No training takes the workdir for one of its own.

  Raises:
    UserError: something the user gave cannot be used; nothing is written then.
  """
  lookup(models.NETWORKS, model, "model")
  spec = _network(model, num_classes, mean, std, first_kernel)
  if (files.path(workdir) / configuration.CONFIG).exists() or checkpoint.exists(workdir):
    raise UserError(
      f"{workdir} holds a run already, which is not overwritten; use another --workdir"
    )
  network = spec.build()
  template = jax.eval_shape(
    lambda: network.init(jax.random.key(0), jnp.zeros((1, *spec.image_size, 3)))
  )
  variables = torch_names.to_variables(model, read_state_dict(file), template, file)
  path = files.path(file)
  with path.open("rb") as opened:
    digest = hashlib.file_digest(opened, "sha256").hexdigest()
  imported = Import(spec, _evaluation(spec, data), path.name, digest)
  write_import(workdir, imported)
  with checkpoint.Checkpoints(workdir) as writer:
    writer.save_variables(0, parallel.replicate(variables, jax.devices()[:1]))
  return imported


def read_state_dict(file: str) -> dict[str, np.ndarray]:
  """The state dict of a PyTorch checkpoint, as float32 arrays without prefixes.

  Raises:
    UserError: PyTorch is missing, or the file holds no state dict.
  """
  torch = import_library()
  if not files.is_file(file):
    raise UserError(f"there is no checkpoint file {file}; give its path with --checkpoint")
  try:
    place = io.BytesIO(files.path(file).read_bytes()) if files.is_address(file) else file
    found = torch.load(place, map_location="cpu", weights_only=True)
  # Unpickling bytes that are no checkpoint raises exceptions of any kind.
  except Exception as error:
    raise UserError(
      f"{file} cannot be read as a PyTorch checkpoint of tensors: {type(error).__name__}: "
      f"{one_line(error)}; if it holds other objects and you trust it, save its state dict alone "
      f"with torch.save"
    ) from error
  keys = tuple(found) if isinstance(found, Mapping) else ()
  # AugMix's checkpoints have the name of the network under "model": only a dict is a state dict.
  nested = [found[key] for key in _NESTED if key in keys and isinstance(found[key], Mapping)]
  state = nested[0] if nested else found
  if (
    not isinstance(state, Mapping)
    or not state
    or not all(
      isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    )
  ):
    content = type(found).__name__ + (f" of {', '.join(map(str, keys))}" if keys else "")
    raise UserError(
      f"{file} holds no state dict, as it is or under {', '.join(_NESTED)}, but a "
      f"{one_line(content)}; save one with torch.save(network.state_dict(), FILE)"
    )
  return {
    key.removeprefix(_PREFIX): value.detach().to(torch.float32).numpy()
    for key, value in state.items()
  }


def import_library() -> Any:
  """PyTorch, which nothing else in the package needs.

  Raises:
    UserError: it is not installed.
  """
  try:
    import torch
  except ImportError as error:
    raise UserError(
      f"PyTorch cannot be imported ({one_line(error)}): pip install -e '.[torch]' in the checkout "
      f"of apr_jax"
    ) from error
  return torch


def _network(
  model: str,
  num_classes: int,
  mean: Sequence[float] | None,
  std: Sequence[float] | None,
  first_kernel: int,
) -> models.NetworkSpec:
  """The network, with the size of images and the normalisation that it is usually trained with."""
  if num_classes < 1:
    raise UserError(f"num_classes must be above 0, got {num_classes}")
  if not KERNEL_SIZES(first_kernel):
    raise UserError(f"first_kernel must be {KERNEL_SIZES.text}, got {first_kernel}")
  imagenet = model in _IMAGENET_NETWORKS
  usual = defaults.get_config().model
  if mean is None:
    mean = _IMAGENET_MEAN if imagenet else usual.mean
  if std is None:
    std = _IMAGENET_STD if imagenet else usual.std
  if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
    raise UserError(
      f"mean and std are three numbers each, for red, green and blue in units of [0, 1], and std "
      f"is above 0; got {tuple(mean)} and {tuple(std)}"
    )
  size = _IMAGENET_SIZE if imagenet else _CIFAR_SIZE
  return models.NetworkSpec(
    model,
    num_classes,
    (size, size),
    tuple(mean),
    tuple(std),
    dtype="float32",
    first_layer=models.FirstLayer(kernel_size=first_kernel),
  )


def _evaluation(spec: models.NetworkSpec, data: str | None) -> dict[str, Any]:
  """What an evaluation of the network begins with, by the names of its settings."""
  imagenet = spec.name in _IMAGENET_NETWORKS
  if data is None:
    data = _IMAGENET if imagenet else _CIFAR.get(spec.num_classes, "")
  return {
    "data": data,
    "resize": _IMAGENET_RESIZE if imagenet else 0,
    "ood_sets": ("cifar10",) if data == "cifar100" else ("cifar100",),
  }


def _numbers(name: str, values: list[str] | None) -> tuple[float, ...] | None:
  try:
    return None if values is None else tuple(map(float, values))
  except ValueError as error:
    raise UserError(f"--{name} takes numbers separated by commas: {one_line(error)}") from error


def _main() -> None:
  imported = import_checkpoint(
    _MODEL.value,
    _NUM_CLASSES.value,
    _CHECKPOINT.value,
    _WORKDIR.value,
    data=_DATA.value,
    mean=_numbers("mean", _MEAN.value),
    std=_numbers("std", _STD.value),
    first_kernel=_FIRST_KERNEL.value,
  )
  network = imported.network
  data = (
    imported.data["data"]
    or "none is known for so many classes, so evaluate.py needs an import with --data"
  )
  print(
    f"{network.name} with {network.num_classes} classes is in {_WORKDIR.value}; mean "
    f"{network.mean}, std {network.std}; data set: {data}"
  )


if __name__ == "__main__":
  cli.run(_main, FLAGS)

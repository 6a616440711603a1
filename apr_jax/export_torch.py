"""Writes the network of a run as a PyTorch state dict:

    python -m apr_jax.export_torch --workdir DIR --checkpoint F.pth

The names are those of `apr_jax/models/torch_names.py`, so that the released networks, and
torchvision's ResNet-50, load the file with `load_state_dict(torch.load("F.pth"))`. They take
normalised images: mean and std are printed. Of a network trained by contrast the projection stays
behind; the logits are the same without it. A first layer with a proportion or gains of its own is
written as the plain kernel that it is; where that has another size than the released network's, the
network must be given such a convolution, which is printed too.
"""

import pathlib
import tempfile

from absl import flags

from apr_jax import cli, files
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError, one_line
from apr_jax.import_torch import import_library
from apr_jax.models import NetworkSpec, contrastive, torch_names

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run.", flag_values=FLAGS, required=True
)
_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "The PyTorch file to make.", flag_values=FLAGS, required=True
)


def export_checkpoint(workdir: str, file: str) -> NetworkSpec:
  """Writes the network of a run, or of an import, as a PyTorch state dict of float32 tensors.

  Args:
    workdir: folder of the run.
    file: to be made.

  Returns:
    which network it is.

  Raises:
    UserError: something the user gave cannot be used; nothing is written then.
  """
  torch = import_library()
  if files.path(file).exists():
    raise UserError(f"{file} exists already and is not overwritten; use another --checkpoint")
  classifier = LoadedClassifier(workdir)
  spec = classifier.spec
  if spec.bands is not None:
    raise UserError(
      f"the network of {workdir} sees bands of amplitude and phase alone (augment.bands), which a "
      f"state dict does not hold: it is not exported"
    )
  state = torch_names.to_state_dict(spec.name, contrastive.as_plain(classifier.variables))
  try:
    with tempfile.TemporaryDirectory() as here:
      # until it is whole: a killed export leaves no file that looks finished
      partial = f"{here}/partial" if files.is_address(file) else f"{file}.partial"
      # Copies, since the arrays of a checkpoint are read-only, which PyTorch warns of.
      torch.save({key: torch.from_numpy(array.copy()) for key, array in state.items()}, partial)
      files.move_in(pathlib.Path(partial), files.path(file))
  except (OSError, RuntimeError) as error:
    raise UserError(
      f"{file} cannot be written: {one_line(error)}; use another --checkpoint"
    ) from error
  return spec


def _main() -> None:
  spec = export_checkpoint(_WORKDIR.value, _CHECKPOINT.value)
  print(
    f"{spec.name} with {spec.num_classes} classes is in {_CHECKPOINT.value}; it takes images "
    f"normalised with mean {spec.mean}, std {spec.std}"
  )
  size = spec.first_layer.kernel_size
  if size:
    print(
      f"its first convolution has kernel_size={size}, padding={size // 2}: give PyTorch's network "
      f"such a one before load_state_dict"
    )


if __name__ == "__main__":
  cli.run(_main, FLAGS)

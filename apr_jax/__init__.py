"""Train image classifiers that survive corrupted, shifted and hostile images, in JAX and Flax, and
score them.

The augmentations and metrics are plain functions, for use in any training code:

  amplitude_phase, recombine    the discrete Fourier transform in polar form, and back
  apr_p, apr_s                  Amplitude-Phase Recombination of a batch, and of single images
  corruptions.corrupt           the common corruptions of CIFAR-C and ImageNet-C
  metrics                       accuracy, corruption errors, calibration, out-of-distribution
                                detection
  load_classifier               a trained or imported network as a function of images
  FromFunction                  any function of images, to be evaluated as those are

Importing this package imports neither Flax nor TensorFlow.
"""

import pathlib
from typing import TYPE_CHECKING, Any

from apr_jax import augment, corruptions, metrics
from apr_jax.augment import apr_p, apr_s
from apr_jax.spectrum import amplitude_phase, recombine
from apr_jax.version import __version__

if TYPE_CHECKING:
  from apr_jax.classifiers.of_function import FromFunction
  from apr_jax.classifiers.of_run import LoadedClassifier

__all__ = [
  "FromFunction",
  "__version__",
  "amplitude_phase",
  "apr_p",
  "apr_s",
  "augment",
  "corruptions",
  "load_classifier",
  "metrics",
  "recombine",
]


def load_classifier(workdir: str | pathlib.Path) -> "LoadedClassifier":
  """A trained or imported network as a function of images:
  `clf = load_classifier("runs/demo/apr_sp")`.

  Args:
    workdir: folder of the run, written by train.py, or of an import, by apr_jax.import_torch.

  Returns:
    an object with `logits(images)`, uint8 `[N, H, W, 3]` → float32 `[N, K]`;
    `predict_proba(images)` → probabilities; `grad_cam(images)` → where the predicted class is seen;
    `jax_logits`, a differentiable JAX function of float images `[B, H, W, 3]` in [0, 1]; and
    `num_classes`, K.

  Raises:
    apr_jax.errors.UserError: the workdir holds no network, or no readable checkpoint.
  """
  # brings Flax and Orbax, which the augmentations do not need
  from apr_jax.classifiers import of_run

  return of_run.LoadedClassifier(workdir)


def __getattr__(name: str) -> Any:
  """What is imported when it is first asked for."""
  if name == "FromFunction":
    from apr_jax.classifiers.of_function import FromFunction

    return FromFunction
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted(globals().keys() | set(__all__))

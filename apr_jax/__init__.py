"""Train image classifiers that survive corrupted, shifted and hostile images, in JAX and Flax, and
score them.

The augmentations and metrics are plain functions, for use in any training code:

  amplitude_phase, recombine    the discrete Fourier transform in polar form, and back
  apr_p, apr_s                  Amplitude-Phase Recombination of a batch, and of single images
  corruptions.corrupt           the common corruptions of CIFAR-C and ImageNet-C
  metrics                       accuracy, corruption errors, calibration, out-of-distribution
  detection load_classifier               a trained run as a function of images

Importing this package imports neither Flax nor TensorFlow.
"""

from apr_jax import augment, corruptions, metrics
from apr_jax.augment import apr_p, apr_s
from apr_jax.spectrum import amplitude_phase, recombine
from apr_jax.version import __version__


def load_classifier(workdir):
  """A trained run as a function of images: `clf = load_classifier("runs/demo/apr_sp")`.

  Args:
    workdir: folder of the run, written by train.py.

  Returns:
    an object with `logits(images)`, uint8 `[N, H, W, 3]` → float32 `[N, K]`;
    `predict_proba(images)` → probabilities; `grad_cam(images)` → where the predicted class is seen;
    and `num_classes`, K.

  Raises:
    apr_jax.errors.UserError: the workdir holds no run, or no readable checkpoint.
  """
  # brings Flax and Orbax, which the augmentations do not need
  from apr_jax.classifiers import of_run

  return of_run.LoadedClassifier(workdir)

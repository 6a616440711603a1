"""A trained network as a function of images."""

import functools
import hashlib
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import experiment, parallel
from apr_jax.classifiers.grad_cam import enlarge, grad_cam
from apr_jax.errors import UserError, one_line
from apr_jax.run import checkpoint, configuration


class LoadedClassifier:
  """The network of a run with the parameters of its newest checkpoint.

  Attributes:
    num_classes: number of logits.
    image_size: (H, W) in pixels of the training images.
    step: training steps that the checkpoint has seen.
    config: the run's resolved configuration.

  Args:
    workdir: folder of the run.
    devices: where to compute; default: all devices of this process.
    batch_size: images per call; default: the run's `evaluation.batch_size`. It changes no result.

  Raises:
    UserError: the workdir holds no run, or no readable checkpoint, or JAX has no device.
  """

  def __init__(
    self,
    workdir: str | pathlib.Path,
    devices: list[jax.Device] | None = None,
    batch_size: int | None = None,
  ):
    parallel.check_devices()
    self.workdir = pathlib.Path(workdir)
    self.config = configuration.read_config(workdir)
    if not checkpoint.exists(workdir):
      raise UserError(
        f"{workdir} holds no checkpoint yet: there is none in "
        f"{pathlib.Path(workdir) / checkpoint.FOLDER}; train it first"
      )
    try:
      parts = experiment.build(self.config)
    except (AttributeError, KeyError) as error:
      raise UserError(
        f"{pathlib.Path(workdir) / configuration.CONFIG} is not one of this version: {one_line(error)}; "
        f"train again into another workdir"
      ) from error
    self.num_classes, self.image_size = parts.num_classes, parts.image_size
    # A network without batch normalisation has no statistics; its checkpoint says so with an empty
    # tree.
    create = lambda: (
      {"batch_stats": {}}
      | parts.model.init(jax.random.key(0), jnp.zeros((1, *parts.image_size, 3)))
    )
    with checkpoint.Checkpoints(workdir) as checkpoints:
      self.step = checkpoints.latest_step()
      variables = checkpoints.restore_variables(create)
    self._predictor = parts.predictor(batch_size or self.config.evaluation.batch_size, devices)
    self._maps = jax.jit(functools.partial(grad_cam, parts.model.apply))
    self._variables = self._predictor.place(parallel.to_host(variables))

  @property
  def name(self) -> str:
    """That of the configuration, else of the folder."""
    return self.config.name or self.workdir.resolve().name

  @property
  def kind(self) -> str:
    return "run"

  @property
  def seed(self) -> int:
    return self.config.seed

  @property
  def fingerprint(self) -> str:
    return self.weights

  @property
  def defaults(self) -> dict[str, Any]:
    """Settings of an evaluation: those of the training."""
    settings = self.config.data
    return {
      "data": settings.name,
      "data_dir": settings.data_dir,
      "resize": settings.resize,
      "download": settings.download,
      "ood_sets": self.config.evaluation.ood_sets,
    }

  @property
  def variables(self) -> dict[str, Any]:
    """The network's "params" and "batch_stats", float32 NumPy arrays."""
    return parallel.to_host(self._variables)

  @functools.cached_property
  def weights(self) -> str:
    """Names the values of `variables` in sixteen hexadecimal digits: another training, another
    name.
    """
    digest = hashlib.sha256()
    for path, values in jax.tree.leaves_with_path(self.variables):  # in the order of the names
      digest.update(f"{jax.tree_util.keystr(path)} {values.dtype.str} {values.shape}\n".encode())
      digest.update(values.tobytes())
    return digest.hexdigest()[:16]

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → logits float32 `[N, num_classes]`.

    Raises:
      UserError: another dtype or shape, or the network's parameters are not finite.
    """
    if images.ndim == 4 and images.shape[1:3] != self.image_size:
      raise UserError(
        f"images must be {self.image_size[0]}×{self.image_size[1]} pixels as in training, "
        f"got {list(images.shape)}"
      )
    logits = self._predictor.logits(self._variables, images)
    if not np.isfinite(logits).all():
      raise UserError(
        "the network's outputs are not finite: its training diverged; train it again into another "
        "workdir with a lower optimizer.learning_rate"
      )
    return logits

  def predict_proba(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → probabilities float32 `[N, num_classes]`."""
    return np.asarray(jax.nn.softmax(self.logits(images), axis=-1))

  def grad_cam(self, images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Where the network sees a class: Grad-CAM at the size of the images; see
    `evaluation.grad_cam`.

    Args:
      images: uint8 `[N, H, W, 3]`.
      classes: int `[N]`, the class to look for in each image; default: the predicted one.

    Returns:
      float32 `[N, H, W]` in [0, 1].

    Raises:
      UserError: images or classes do not fit, or the network does not mark its last feature map.
    """
    predicted = self.logits(images).argmax(1)
    classes = predicted if classes is None else np.asarray(classes)
    if (
      classes.shape != predicted.shape
      or classes.dtype.kind not in "iu"
      or not (classes.min() >= 0 and classes.max() < self.num_classes)
    ):
      raise UserError(
        f"classes must be {len(images)} integers in 0..{self.num_classes - 1}, one per image, got "
        f"{classes.dtype} {list(classes.shape)} {one_line(str(classes))}"
      )
    size = self._predictor.batch_size
    batches = [slice(start, start + size) for start in range(0, len(images), size)]
    maps = [self._maps(self._variables, images[batch], classes[batch]) for batch in batches]
    return np.asarray(enlarge(jnp.concatenate(maps), self.image_size))

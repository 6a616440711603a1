"""A trained or imported network as a function of images."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from apr_jax import files, parallel
from apr_jax.classifiers import inside
from apr_jax.classifiers.grad_cam import enlarge, grad_cam
from apr_jax.classifiers.predictor import Predictor, check_images
from apr_jax.errors import UserError, one_line
from apr_jax.models import NetworkSpec, NormalisedNetwork, first_convolution
from apr_jax.models.contrastive import has_projection
from apr_jax.models.first_convolution import FirstConvolution
from apr_jax.models.first_layer import PLAIN
from apr_jax.run import checkpoint, configuration, network

_BATCH_SIZE = 500  # images per call of an import, which has no configuration to say so


class LoadedClassifier:
  """The network of a training, or of an import, with the parameters of its newest checkpoint that
  is not damaged.

  It is a `classifiers.interface.Classifier`. Only the network is built: nothing of the training is.

  Attributes:
    name: of the experiment, else of the folder; of an import, the network and its file.
    num_classes: number of logits, K.
    image_size: (H, W) in pixels of the images it takes.
    kind: "run" or "import".
    spec: which network it is: of a training with two heads, or with a first layer of its own kind,
      the plain one with the same outputs.
    first_layer_gains: float32 `[O, n]`, the gains that a modulated first layer has learnt (see
      `models.FirstLayer.gains`); None where there are none.
    defaults: what an evaluation of it begins with, by the names of its settings.
    config: the resolved configuration of the training; None for an import.
    workdir: the folder of the training; None for an import.
    step: training steps that the checkpoint has seen; None for an import.
    seed: of the training; None for an import.
    ensemble: whether its logits are those of CSI's ensemble.
    keeps_average: whether the training keeps a moving average of its weights.

  Args:
    workdir: folder of the run, or of the import.
    devices: where to compute; default: all devices of this process.
    batch_size: images per call; default: the run's `evaluation.batch_size`. It changes no result.
    label_share: of the phase's head in the logits of a network with two heads; default: that of the
      training. Of other networks it changes nothing.
    average: take the moving average of the weights that the training keeps, in place of the
      weights.
    ensemble: of a training with `augment.csi`, take the mean over an image's four rotations of the
      joint head's logits, in place of the class head's logits: CSI's ensemble.

  Raises:
    UserError: the workdir holds neither, or no readable checkpoint, or no average though one is
      asked for, or JAX has no device.
  """

  spec: NetworkSpec

  def __init__(
    self,
    workdir: str | pathlib.Path,
    devices: Sequence[jax.Device] | None = None,
    batch_size: int | None = None,
    label_share: float | None = None,
    average: bool = False,
    ensemble: bool = False,
  ):
    parallel.check_devices()
    workdir = files.path(workdir)
    self.step: int | None = None
    part = checkpoint.AVERAGE if average else checkpoint.MODEL
    if network.is_import(workdir):
      self._describe_import(workdir, part)
    else:
      self._describe_run(workdir, part)
    if average:
      self.name += ", averaged weights"
    self.num_classes, self.image_size = self.spec.num_classes, self.spec.image_size
    if label_share is not None and self.spec.label_share is not None:
      self.spec = dataclasses.replace(self.spec, label_share=label_share)
    self.ensemble = ensemble
    if ensemble:
      if not self.spec.rotations:
        raise UserError(
          f"{workdir} has no head for the rotations, whose ensemble is asked for; train with "
          f"augment.csi"
        )
      self.spec = dataclasses.replace(self.spec, ensemble=True)
      self.name += ", ensemble of rotations"
    trained = parallel.to_host(
      _restore(workdir, self._step, self.spec.build(), self.image_size, part)
    )
    self.first_layer_gains = self.spec.first_layer.gains(trained["params"])
    variables = jax.tree.map(np.asarray, self.spec.fold(trained))
    self.spec = self.spec.folded()
    self._apply: Callable[..., Any] = self.spec.build().apply
    if batch_size is None:
      batch_size = self.defaults.get("batch_size", _BATCH_SIZE)
    self._predictor = Predictor(self._apply, batch_size, devices)
    self._features = Predictor(functools.partial(inside.features, self._apply), batch_size, devices)
    self._adapted = jax.jit(functools.partial(inside.adapted_logits, self._apply))
    self._maps = jax.jit(functools.partial(grad_cam, self._apply))
    self._variables = self._predictor.place(variables)

  def _describe_run(self, workdir: pathlib.Path, part: str) -> None:
    config = configuration.read_config(workdir)
    self.keeps_average: bool = config.optimizer.average_decay > 0
    if part == checkpoint.AVERAGE and not self.keeps_average:
      raise _no_average(workdir)
    self._step = self.step = _sound_step(workdir, "train it first", part)
    # The configuration says how the network was trained. Whether that left a projection beside the
    # logits, the checkpoint says itself, whatever the key of the training was called.
    with checkpoint.Checkpoints(workdir) as checkpoints:
      contrastive = has_projection(checkpoints.describe_variables(self._step))
    try:
      self.spec = network.spec_of_run(config, contrastive)
      self.defaults: Mapping[str, Any] = {
        "data": config.data.name,
        "data_dir": config.data.data_dir,
        "resize": config.data.resize,
        "download": config.data.download,
        "ood_sets": tuple(config.evaluation.ood_sets),
        "batch_size": config.evaluation.batch_size,
      }
      self.name: str = config.name or workdir.resolve().name
    except (AttributeError, KeyError) as error:
      raise _not_ours(workdir, one_line(error)) from error
    if not (self.spec.num_classes and all(self.spec.image_size)):
      raise _not_ours(workdir, "model.num_classes and model.image_size are not filled in")
    checkpoint.check_network(workdir, self._step)
    self.kind = "run"
    self.config: ml_collections.ConfigDict | None = config
    self.workdir: pathlib.Path | None = workdir
    self.seed: int | None = config.seed

  def _describe_import(self, workdir: pathlib.Path, part: str) -> None:
    imported = network.read_import(workdir)
    self.keeps_average = False
    if part == checkpoint.AVERAGE:
      raise _no_average(workdir)
    self._step = _sound_step(workdir, "import it again", part)
    self.spec, self.defaults = imported.network, imported.data
    self.name, self.kind = f"{self.spec.name} of {imported.source}", "import"
    self.config = self.workdir = self.seed = None

  @property
  def variables(self) -> dict[str, Any]:
    """The network's "params" and "batch_stats", as `spec` has them; float32 NumPy arrays."""
    return parallel.to_host(self._variables)

  @functools.cached_property
  def fingerprint(self) -> str:
    """Names the values of `variables` in sixteen hexadecimal digits: another training, another
    name.
    """
    # With the same parameters, the ensemble is another function.
    digest = hashlib.sha256(b"ensemble of rotations" if self.spec.ensemble else b"")
    for path, values in jax.tree.leaves_with_path(self.variables):  # in the order of the names
      digest.update(f"{jax.tree_util.keystr(path)} {values.dtype.str} {values.shape}\n".encode())
      digest.update(values.tobytes())
    return digest.hexdigest()[:16]

  @property
  def weights(self) -> str:
    """`fingerprint`, by the name it has in results.json."""
    return self.fingerprint

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → logits float32 `[N, K]`.

    Raises:
      UserError: another dtype or shape, or the network's parameters are not finite.
    """
    check_images(images, self.image_size)
    return _finite(self._predictor.logits(self._variables, images))

  @property
  def features(self) -> Callable[[np.ndarray], np.ndarray]:
    """A function, images uint8 `[N, H, W, 3]` → what the last linear layer is given, float32
    `[N, D]`.

    Raises:
      UserError: it is an ensemble, which has several. Of the function: as `logits`, or the network
        has no last linear layer.
    """
    self._check_single("features")
    return self._features_of

  def _features_of(self, images: np.ndarray) -> np.ndarray:
    check_images(images, self.image_size)
    return _finite(self._features.logits(self._variables, images))

  def _check_single(self, what: str) -> None:
    if self.spec.ensemble:
      raise UserError(f"{self.name!r} is an ensemble of four rotations, which has no {what}")

  @property
  def last_layer(self) -> tuple[np.ndarray, np.ndarray]:
    """(W float32 `[D, K]`, b float32 `[K]`) of the last linear layer: the logits are
    `features @ W + b`.
    """
    self._check_single("last layer")
    return inside.last_layer(self.variables)

  def adapted_logits(self, images: np.ndarray, prior: float = 0) -> np.ndarray:
    """Logits with batch statistics of these images, which are one batch on one device; see
    `classifiers.inside`.

    Args:
      images: uint8 `[N, H, W, 3]`.
      prior: how many images the statistics of the training count as.

    Returns:
      float32 `[N, K]`.

    Raises:
      UserError: as `logits`, or the network has no batch normalisation.
    """
    check_images(images, self.image_size)
    floats = jnp.asarray(images).astype(jnp.float32) / 255
    return _finite(np.asarray(self._adapted(self._variables, floats, float(prior)), np.float32))

  def predict_proba(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → probabilities float32 `[N, K]`."""
    return np.asarray(jax.nn.softmax(self.logits(images), axis=-1))

  @functools.cached_property
  def jax_logits(self) -> Callable[[jax.Array], jax.Array]:
    """A JAX function, float images `[B, H, W, 3]` in [0, 1] → logits float32 `[B, K]`: the network
    in inference, differentiable, for use under `jit`, `grad` and `vmap`.

    It is a `jax.tree_util.Partial` whose leaves are the parameters, on JAX's default device. A
    jitted function that takes it as an argument therefore compiles without their values.

    Raises:
      UserError: the network recombines its input, and no gradient passes through that.
    """
    if self.spec.bands is not None:
      raise UserError(
        f"{self.name!r} sees bands of amplitude and phase alone (augment.bands), and no gradient "
        f"passes through that: attacks by gradients cannot be run on it"
      )

    exact = dataclasses.replace(self.spec, dtype="float32").build()

    def logits(variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
      return jnp.asarray(exact.apply(variables, images))

    return jax.tree_util.Partial(logits, jax.device_put(self.variables))

  @functools.cached_property
  def _first_convolution(self) -> FirstConvolution | None:
    # It lies where the network's own does, whatever its size.
    spec = dataclasses.replace(self.spec, first_layer=PLAIN)
    return first_convolution.find(spec.build(), self.image_size)

  @property
  def first_kernel(self) -> np.ndarray | None:
    """The kernel of the first convolution, float32 `[k, k, C, O]`; None where the network has none
    of square filters.
    """
    found = self._first_convolution
    return None if found is None else found.kernel(self.variables)

  @property
  def first_gain(self) -> np.ndarray | None:
    """By how much the batch normalisation that reads the first convolution multiplies the power of
    each filter's output, float32 `[O]`; None where there is none.
    """
    found = self._first_convolution
    return None if found is None else found.gain(self.variables)

  def grad_cam(self, images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Where the network sees a class: Grad-CAM at the size of the images; see
    `classifiers.grad_cam`.

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


def _finite(outputs: np.ndarray) -> np.ndarray:
  """The network's outputs, if they are finite.

  Raises:
    UserError: they are not.
  """
  if not np.isfinite(outputs).all():
    raise UserError(
      "the network's outputs are not finite: its training diverged; train it again into another "
      "workdir with a lower optimizer.learning_rate"
    )
  return outputs


def _not_ours(workdir: pathlib.Path, what: str) -> UserError:
  return UserError(
    f"{workdir / configuration.CONFIG} is not one of this version: {what}; "
    f"train again into another workdir"
  )


def _no_average(workdir: pathlib.Path) -> UserError:
  return UserError(
    f"{workdir} keeps no moving average of its weights; train with optimizer.average_decay"
  )


def _sound_step(workdir: pathlib.Path, remedy: str, part: str) -> int:
  """The step of the newest checkpoint whose network is not damaged, nor this part of it."""
  step = checkpoint.sound_step(workdir, tuple(dict.fromkeys((checkpoint.MODEL, part))))
  if step is None:
    raise UserError(
      f"{workdir} holds no checkpoint yet: there is none in {workdir / checkpoint.FOLDER}; {remedy}"
    )
  return step


def _restore(
  workdir: pathlib.Path,
  step: int,
  model: NormalisedNetwork,
  image_size: tuple[int, int],
  part: str,
) -> dict[str, Any]:
  """The parameters and statistics of a part of a checkpoint, which must be those of the model."""

  def create() -> dict[str, Any]:
    # A network without batch normalisation has no statistics; its checkpoint says so with an empty
    # tree.
    start = model.init(jax.random.key(0), jnp.zeros((1, *image_size, 3)))
    return {"batch_stats": {}, **start}

  with checkpoint.Checkpoints(workdir) as checkpoints:
    return checkpoints.restore_variables(create, step, part)

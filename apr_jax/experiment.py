"""From a configuration to the parts of an experiment; train.py and evaluate.py both build through here."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from apr_jax import data, losses, models, parallel
from apr_jax.augment.apr import OVERFLOWS
from apr_jax.augment.pipeline import Augment, make_augment
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, lookup
from apr_jax.losses import Loss

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "auto": None}


@dataclasses.dataclass(frozen=True)
class Experiment:
  """What a resolved configuration describes.

  Attributes:
    model: the network behind its input normalisation.
    augment: uint8 batch → float views, inside the training step.
    loss: logits of the views and labels → scalar.
    num_classes: number of logits.
    image_size: (H, W) in pixels.
  """

  model: models.Classifier
  augment: Augment
  loss: Loss
  num_classes: int
  image_size: tuple[int, int]

  def predictor(self, batch_size: int, devices: list[jax.Device] | None = None) -> parallel.Predictor:
    """The compiled inference of the model; see `parallel.Predictor`."""
    return parallel.Predictor(self.model.apply, batch_size, devices)


def load_data(settings, split: str, *, name: str | None = None, image_size: int | None = None) -> ArrayData:
  """A split of the configured data set, or of another one by `name`, with the settings of `config.data`."""
  size = settings.image_size if image_size is None else image_size
  return data.load(name or settings.name, split, data_dir=settings.data_dir, image_size=size,
                   download=settings.download)


def resolve(config, train: ArrayData):
  """A copy of the configuration in which everything that depends on the data set is filled in.

  Raises:
    UserError: the configuration contradicts the data set, or a value is out of its range.
  """
  resolved = config.copy_and_resolve_references()
  _check(resolved)
  with resolved.unlocked():
    for key, found in (("num_classes", train.num_classes), ("image_size", train.image_size)):
      wanted = resolved.model[key]
      if wanted in (0, (0, 0)):
        resolved.model[key] = found
      elif wanted != found:
        raise UserError(f"model.{key} is {wanted}, but the data set {train.name!r} has {found}; "
                        f"leave it at its default to take the data set's")
  return resolved


def build(config) -> Experiment:
  """The experiment of a resolved configuration.

  Raises:
    UserError: a name is unknown.
  """
  settings = config.model
  dtype = lookup(_DTYPES, settings.dtype, "model.dtype")
  if dtype is None:
    dtype = jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
  model = models.make(settings.name, settings.num_classes, mean=settings.mean, std=settings.std, dtype=dtype,
                      axis_name=parallel.AXIS if settings.sync_batch_norm else None)
  return Experiment(model, make_augment(config.augment), losses.apr_loss, settings.num_classes,
                    tuple(settings.image_size))


def _check(config: Any) -> None:
  """Refuses values that would fail later, or silently do something else."""
  augment = config.augment
  rules = [
      ("epochs", config.epochs, config.epochs > 0, "above 0"),
      ("batch_size", config.batch_size, config.batch_size > 0, "above 0"),
      ("log_every_steps", config.log_every_steps, config.log_every_steps > 0, "above 0"),
      ("eval_every_epochs", config.eval_every_epochs, config.eval_every_epochs >= 0, "0 or more"),
      ("checkpoint.every_steps", config.checkpoint.every_steps, config.checkpoint.every_steps >= 0, "0 or more"),
      ("checkpoint.keep", config.checkpoint.keep, config.checkpoint.keep > 0, "above 0"),
      ("evaluation.batch_size", config.evaluation.batch_size, config.evaluation.batch_size > 0, "above 0"),
      ("augment.crop_padding", augment.crop_padding, augment.crop_padding >= 0, "0 or more"),
      ("augment.crop_fill", augment.crop_fill, 0 <= augment.crop_fill <= 255, "in 0..255"),
      ("augment.apr_p.prob", augment.apr_p.prob, 0 <= augment.apr_p.prob <= 1, "in 0..1"),
      ("augment.apr_s.prob", augment.apr_s.prob, 0 <= augment.apr_s.prob <= 1, "in 0..1"),
      ("augment.apr_s.severity", augment.apr_s.severity, 0.1 < augment.apr_s.severity <= 10,
       "above 0.1 and at most 10"),
      ("augment.apr_s.overflow", augment.apr_s.overflow, augment.apr_s.overflow in OVERFLOWS,
       f"one of {', '.join(OVERFLOWS)}"),
      ("model.std", config.model.std, all(value > 0 for value in config.model.std), "above 0"),
  ]
  for key, value, valid, rule in rules:
    if not valid:
      raise UserError(f"{key} must be {rule}, got {value!r}")

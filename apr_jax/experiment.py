"""From a configuration to the parts of an experiment; train.py and evaluate.py both build through
here.
"""

import dataclasses
import functools
from typing import Any

import jax

from apr_jax import data, losses, models, parallel
from apr_jax.augment.apr import OVERFLOWS
from apr_jax.augment.pipeline import Augment, make_augment
from apr_jax.augment.policies import POLICIES
from apr_jax.data import ArrayData, ImageStream
from apr_jax.errors import UserError, lookup
from apr_jax.losses import Loss
from apr_jax.run.network import spec_of_run


@dataclasses.dataclass(frozen=True)
class Experiment:
  """What a resolved configuration describes.

  Attributes:
    model: the network behind its input normalisation.
    augment: uint8 batch and labels → float views and targets, inside the training step.
    loss: what the model makes of the views in training, and targets → scalar.
    num_classes: number of logits.
    image_size: (H, W) in pixels.
  """

  model: models.NormalisedNetwork
  augment: Augment
  loss: Loss
  num_classes: int
  image_size: tuple[int, int]


def load_data(
  settings, split: str, *, name: str | None = None, image_size: int | None = None
) -> ArrayData:
  """A split of the configured data set, or of another one by `name`, with the settings of
  `config.data`.
  """
  size = settings.image_size if image_size is None else image_size
  # Runs of earlier versions, which can still be evaluated, do not have the key.
  resize = settings.resize if "resize" in settings else 0
  return data.load(
    name or settings.name,
    split,
    data_dir=settings.data_dir,
    image_size=size,
    resize=resize,
    download=settings.download,
  )


def load_train(settings) -> ArrayData | ImageStream:
  """The training images of `config.data`: in memory, or with `data.stream` to be read as they are
  needed.
  """
  if settings.stream:
    return data.open_stream(
      settings.name,
      data_dir=settings.data_dir,
      image_size=settings.image_size,
      limit=settings.limit,
      extra_folders=settings.extra_folders,
      shuffle_buffer=settings.shuffle_buffer,
      min_crop_area=settings.min_crop_area,
      download=settings.download,
      process=jax.process_index(),
      processes=jax.process_count(),
    )
  if settings.extra_folders:
    raise UserError(
      "data.extra_folders needs data.stream=True: images in memory have no class names to match"
    )
  return load_data(settings, "train").take(settings.limit)


def resolve(config, train: ArrayData | ImageStream):
  """A copy of the configuration in which everything that depends on the data set is filled in.

  Raises:
    UserError: the configuration contradicts the data set, or a value is out of its range.
  """
  resolved = config.copy_and_resolve_references()
  check(resolved)
  with resolved.unlocked():
    for key, found in (("num_classes", train.num_classes), ("image_size", train.image_size)):
      wanted = resolved.model[key]
      if wanted in (0, (0, 0)):
        resolved.model[key] = found
      elif wanted != found:
        raise UserError(
          f"model.{key} is {wanted}, but the data set {train.name!r} has {found}; "
          f"leave it at its default to take the data set's"
        )
  return resolved


def network_spec(config: Any) -> models.NetworkSpec:
  """The network of a resolved configuration."""
  return spec_of_run(config, contrastive=_is_on(config, "simclr", "views"))


def build(config: Any) -> Experiment:
  """The experiment of a resolved configuration.

  Raises:
    UserError: a name is unknown.
  """
  spec = network_spec(config)
  model = spec.build(axis_name=parallel.AXIS if config.model.sync_batch_norm else None)
  augment = make_augment(config.augment, spec.num_classes, spec.mean, spec.std)
  return Experiment(model, augment, _loss(config), spec.num_classes, spec.image_size)


def _loss(config: Any) -> Loss:
  if _is_on(config, "augmix", "width"):
    return functools.partial(losses.augmix_loss, weight=config.loss.jsd_weight)
  if _is_on(config, "simclr", "views"):
    return functools.partial(
      losses.supclr_loss, temperature=config.loss.temperature, axis_name=parallel.AXIS
    )
  return losses.apr_loss


def _is_on(config: Any, name: str, count: str) -> bool:
  # Runs of earlier versions, which can still be evaluated, do not have the key.
  return name in config.augment and config.augment[name][count] > 0


def check(config: Any) -> None:
  """Refuses values that would fail later, or silently do something else; needs no data.

  Raises:
    UserError: a name is unknown, a value is out of its range, or two exclude each other.
  """
  augment, boundaries = config.augment, config.schedule.boundaries_epochs
  lookup(models.NETWORKS, config.model.name, "model.name")
  lookup(models.DTYPES, config.model.dtype, "model.dtype")
  rules = [
    ("epochs", config.epochs, config.epochs > 0, "above 0"),
    ("batch_size", config.batch_size, config.batch_size > 0, "above 0"),
    ("log_every_steps", config.log_every_steps, config.log_every_steps > 0, "above 0"),
    ("eval_every_epochs", config.eval_every_epochs, config.eval_every_epochs >= 0, "0 or more"),
    (
      "checkpoint.every_steps",
      config.checkpoint.every_steps,
      config.checkpoint.every_steps >= 0,
      "0 or more",
    ),
    ("checkpoint.keep", config.checkpoint.keep, config.checkpoint.keep > 0, "above 0"),
    (
      "evaluation.batch_size",
      config.evaluation.batch_size,
      config.evaluation.batch_size > 0,
      "above 0",
    ),
    ("data.limit", config.data.limit, config.data.limit >= 0, "0 or more"),
    (
      "data.extra_folders",
      config.data.extra_folders,
      _are_names(config.data.extra_folders),
      "folders, ('A', 'B'), without commas",
    ),
    (
      "evaluation.ood_sets",
      config.evaluation.ood_sets,
      _are_names(config.evaluation.ood_sets),
      "names of data sets, ('A', 'B'), without commas",
    ),
    ("data.shuffle_buffer", config.data.shuffle_buffer, config.data.shuffle_buffer > 0, "above 0"),
    (
      "data.min_crop_area",
      config.data.min_crop_area,
      0 < config.data.min_crop_area <= 1,
      "above 0 and at most 1",
    ),
    ("augment.crop_padding", augment.crop_padding, augment.crop_padding >= 0, "0 or more"),
    ("augment.crop_fill", augment.crop_fill, 0 <= augment.crop_fill <= 255, "in 0..255"),
    *(
      (f"augment.{name}.prob", augment[name].prob, 0 <= augment[name].prob <= 1, "in 0..1")
      for name in ("apr_p", "apr_s", "hybrid_p", "hybrid_s", "cutmix")
    ),
    *(
      (
        f"augment.{name}.severity",
        augment[name].severity,
        0.1 < augment[name].severity <= 10,
        "above 0.1 and at most 10",
      )
      for name in ("apr_s", "hybrid_s", "augmix")
    ),
    *(
      (
        f"augment.{name}.overflow",
        augment[name].overflow,
        augment[name].overflow in OVERFLOWS,
        f"one of {', '.join(OVERFLOWS)}",
      )
      for name in ("apr_s", "hybrid_s")
    ),
    *(
      (f"augment.{name}.alpha", augment[name].alpha, augment[name].alpha >= 0, "0 or more")
      for name in ("mixup", "cutmix")
    ),
    *(
      (f"augment.{name}.size", augment[name].size, augment[name].size >= 0, "0 or more")
      for name in ("cutout", "patch_uniform")
    ),
    (
      "augment.patch_uniform.scale",
      augment.patch_uniform.scale,
      0 <= augment.patch_uniform.scale <= 1,
      "in 0..1",
    ),
    (
      "augment.autoaugment",
      augment.autoaugment,
      augment.autoaugment in ("", *POLICIES),
      f"empty or one of {', '.join(POLICIES)}",
    ),
    ("augment.augmix.width", augment.augmix.width, augment.augmix.width >= 0, "0 or more"),
    ("augment.augmix.depth", augment.augmix.depth, augment.augmix.depth > 0, "above 0"),
    (
      "augment.simclr.views",
      augment.simclr.views,
      augment.simclr.views == 0 or augment.simclr.views >= 2,
      "0, or 2 or more",
    ),
    (
      "augment.simclr.min_area",
      augment.simclr.min_area,
      0 < augment.simclr.min_area <= 1,
      "above 0 and at most 1",
    ),
    ("loss.temperature", config.loss.temperature, config.loss.temperature > 0, "above 0"),
    ("loss.jsd_weight", config.loss.jsd_weight, config.loss.jsd_weight >= 0, "0 or more"),
    ("adversary.steps", config.adversary.steps, config.adversary.steps >= 0, "0 or more"),
    (
      "adversary.epsilon",
      config.adversary.epsilon,
      0 <= config.adversary.epsilon <= 255,
      "in 0..255",
    ),
    ("adversary.step_size", config.adversary.step_size, config.adversary.step_size > 0, "above 0"),
    ("seed", config.seed, 0 <= config.seed < 2**32, "in 0..2^32-1"),
    (
      "model.mean",
      config.model.mean,
      _are_numbers(config.model.mean, 3),
      "three numbers, one per channel",
    ),
    (
      "model.std",
      config.model.std,
      _are_numbers(config.model.std, 3) and min(config.model.std) > 0,
      "three numbers above 0, one per channel",
    ),
    (
      "optimizer.learning_rate",
      config.optimizer.learning_rate,
      config.optimizer.learning_rate > 0,
      "above 0",
    ),
    (
      "optimizer.momentum",
      config.optimizer.momentum,
      0 <= config.optimizer.momentum < 1,
      "from 0 to below 1",
    ),
    (
      "optimizer.weight_decay",
      config.optimizer.weight_decay,
      config.optimizer.weight_decay >= 0,
      "0 or more",
    ),
    ("schedule.factor", config.schedule.factor, config.schedule.factor > 0, "above 0"),
    (
      "schedule.boundaries_epochs",
      boundaries,
      _are_numbers(boundaries)
      and all(before < after for before, after in zip((0, *boundaries), boundaries)),
      "numbers above 0 that increase",
    ),
  ]
  for key, value, valid, rule in rules:
    if not valid:
      raise UserError(f"{key} must be {rule}, got {value!r}")
  _check_combination(augment)


def _are_numbers(values: tuple, count: int | None = None) -> bool:
  """Whether all values are numbers and, if `count` is given, there are so many."""
  return all(isinstance(value, (int, float)) for value in values) and count in (None, len(values))


def _are_names(values: tuple) -> bool:
  """Whether all values are names or paths; not the one "A,B" that ml_collections makes of A,B."""
  return all(
    isinstance(value, str) and value and ("," not in value or ":" in value or "/" in value)
    for value in values
  )


def _check_combination(augment: Any) -> None:
  """Refuses augmentations that exclude each other: two of one kind, or what is not defined
  together.
  """
  strength = {
    "apr_s": augment.apr_s.prob,
    "hybrid_s": augment.hybrid_s.prob,
    "autoaugment": augment.autoaugment,
    "random_autoaugment": augment.random_autoaugment,
    "patch_uniform": augment.patch_uniform.size,
    "augmix": augment.augmix.width,
    "simclr": augment.simclr.views,
    "apr_p": augment.apr_p.prob,
    "hybrid_p": augment.hybrid_p.prob,
    "mixup": augment.mixup.alpha,
    "cutmix": augment.cutmix.alpha,
    "cutout": augment.cutout.size,
  }
  for exclusive in (
    ("apr_s", "hybrid_s", "autoaugment", "random_autoaugment", "patch_uniform", "augmix", "simclr"),
    ("apr_p", "hybrid_p", "mixup", "cutmix", "augmix", "simclr"),
    ("cutout", "patch_uniform", "augmix", "simclr"),
  ):
    on = [f"augment.{name}" for name in exclusive if strength[name]]
    if len(on) > 1:
      raise UserError(f"{' and '.join(on)} exclude each other; switch all but one of them off")

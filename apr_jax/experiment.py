"""From a configuration to what is trained: data, network and augmentation."""

import dataclasses

import jax
import ml_collections

from apr_jax import data, defaults, models, optimizers, parallel, schedules, settings
from apr_jax.augment.methods import needs_projection, switched_on
from apr_jax.augment.pipeline import Augmentation, make_augmentation
from apr_jax.data import ArrayData, ImageStream
from apr_jax.device_group import ALONE, DeviceGroup
from apr_jax.errors import UserError, lookup
from apr_jax.run.network import spec_of_run


@dataclasses.dataclass(frozen=True)
class Experiment:
  """What a resolved configuration describes.

  Attributes:
    model: the network behind its input normalisation.
    augmentation: uint8 batch and labels → float views and targets, inside the training step; and
      their loss.
    num_classes: number of logits.
    image_size: (H, W) in pixels.
  """

  model: models.NormalisedNetwork
  augmentation: Augmentation
  num_classes: int
  image_size: tuple[int, int]


def load_data(
  of: ml_collections.ConfigDict,
  split: str,
) -> ArrayData:
  """A split of the data set of `config.data`, with its settings."""
  return data.load(
    of.name,
    split,
    data_dir=of.data_dir,
    image_size=of.image_size,
    resize=of.resize,
    download=of.download,
  )


def load_train(of: ml_collections.ConfigDict) -> ArrayData | ImageStream:
  """The training images of `config.data`: in memory, or with `data.stream` to be read as they are
  needed.

  Raises:
    UserError: they cannot be read, or the settings do not fit each other.
  """
  if of.stream:
    return data.open_stream(
      of.name,
      data_dir=of.data_dir,
      image_size=of.image_size,
      limit=of.limit,
      extra_folders=of.extra_folders,
      shuffle_buffer=of.shuffle_buffer,
      min_crop_area=of.min_crop_area,
      fast_crops=of.fast_crops,
      download=of.download,
      process=jax.process_index(),
      processes=jax.process_count(),
    )
  if of.extra_folders:
    raise UserError(
      "data.extra_folders needs data.stream=True: images in memory have no class names to match"
    )
  return load_data(of, "train").take(of.limit)


def resolve(
  config: ml_collections.ConfigDict, train: ArrayData | ImageStream
) -> ml_collections.ConfigDict:
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


def network_spec(config: ml_collections.ConfigDict) -> models.NetworkSpec:
  """The network of a resolved configuration."""
  return spec_of_run(config, contrastive=needs_projection(config.augment))


def build(config: ml_collections.ConfigDict) -> Experiment:
  """The experiment of a resolved configuration.

  Raises:
    UserError: a name is unknown.
  """
  spec = network_spec(config)
  size = config.device_group
  group = ALONE if size == 1 else DeviceGroup(parallel.AXIS, size)
  statistics = DeviceGroup(parallel.AXIS) if config.model.sync_batch_norm else group
  model = spec.build(axis_name=statistics)
  augmentation = make_augmentation(config.augment, spec.num_classes, spec.mean, spec.std, group)
  return Experiment(model, augmentation, spec.num_classes, spec.image_size)


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses values that would fail later, or silently do something else; needs no data.

  Raises:
    UserError: a name is unknown, a value breaks its rule, or two values exclude each other.
  """
  lookup(models.NETWORKS, config.model.name, "model.name")
  lookup(models.DTYPES, config.model.dtype, "model.dtype")
  lookup(optimizers.OPTIMIZERS, config.optimizer.name, "optimizer.name")
  lookup(schedules.SCHEDULES, config.schedule.name, "schedule.name")
  for place, section in defaults.sections().items():
    settings.check(section, defaults.section_at(config, place), place)
  settings.read(models.FirstLayer, config.model.first_layer).check()
  switched_on(config.augment)  # refuses those that exclude each other
  if config.model.frozen and not (needs_projection(config.augment) and config.model.weights):
    raise UserError(
      "model.frozen trains linear heads on a finished network: name its folder in model.weights, "
      "and switch augment.simclr or augment.csi on"
    )
  if config.model.sync_batch_norm and config.device_group > 1:
    raise UserError(
      f"model.sync_batch_norm averages batch statistics over all devices, device_group="
      f"{config.device_group} over as many; leave model.sync_batch_norm False, or give "
      f"device_group=0 for all"
    )

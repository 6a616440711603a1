"""Every configuration key once, with its default, its unit and source, and its rule.

The defaults are APR's CIFAR recipe (https://arxiv.org/abs/2108.08487 and the released code) without
augmentation beyond crop and flip, "Standard" in the paper's tables. A configuration file changes a
few of them. The keys are locked: one that is not here is an error.

The keys of a method of augmentation stand in the method: `apr_jax/augment/methods.py` names them.
Those of the first layer stand in `apr_jax/models/first_layer.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import ml_collections

from apr_jax.attacks.pgd import OUTSIDE
from apr_jax.augment.methods import METHODS
from apr_jax.models.first_layer import FirstLayer
from apr_jax.settings import (
  above,
  at_least,
  between,
  from_to_below,
  names,
  numbers,
  read,
  section,
  setting,
  share,
)


@dataclasses.dataclass(frozen=True)
class Run:
  """The keys of no section."""

  name: str = setting(
    "", 'of the experiment, in tables of results; "" = the name of the configuration file'
  )
  seed: int = setting(
    0,
    "of everything random: initialisation, order of the data, augmentation",
    between(0, 2**32 - 1, "in 0..2^32-1"),
  )
  epochs: int = setting(200, "passes over the training images", above(0))
  batch_size: int = setting(128, "images per step over all devices", above(0))
  device_group: int = setting(
    1,
    "devices that act as one: partners of images and batch statistics are those of their images "
    "together; 1 = each by itself, 0 = all",
    at_least(0),
  )
  log_every_steps: int = setting(100, "steps from one line of metrics to the next", above(0))
  eval_every_epochs: int = setting(
    10, "clean test error during training; 0 = only at the end", at_least(0)
  )


@dataclasses.dataclass(frozen=True)
class Data:
  """The training images, and where evaluations find theirs."""

  name: str = setting("cifar10", "a TFDS name, digits, npz:FILE, npy:DIR or folder:DIR")
  data_dir: str = setting(
    "", 'where TFDS keeps its data sets, or NAME.npz or class folders NAME lie; "" = TFDS\'s own'
  )
  limit: int = setting(
    0,
    "use the first N training images; 0 = all; class folders are sorted by class",
    at_least(0),
  )
  # The rules of the two sizes depend on each other: `data.load` holds them.
  image_size: int = setting(0, "pixels; resize and centre-crop to this square; 0 = as stored")
  resize: int = setting(
    0, "pixels of the short side before that crop; 0 = image_size; ImageNet: 256 for 224"
  )
  stream: bool = setting(
    False, "read training images from disk as they are needed, in random resized crops"
  )
  min_crop_area: float = setting(
    0.08,
    "of those: smallest share of an image; 1 = the whole; torchvision's default",
    above(0, at_most=1),
  )
  fast_crops: bool = setting(
    False,
    "of streams, for hosts with few cores: decode at 1/2, 1/4 or 1/8 where the crop is that small, "
    "and resize without antialiasing; other pixels",
  )
  shuffle_buffer: int = setting(
    10_000,
    "of streams from TFDS: encoded images that each process holds to shuffle",
    above(0),
  )
  extra_folders: tuple[str, ...] = setting(
    (),
    "of streams: roots of class folders mixed in; in data_dir, or whole paths",
    names("folders"),
  )
  download: bool = setting(False, "let TFDS download a data set that is not prepared")


@dataclasses.dataclass(frozen=True)
class Model:
  """The network."""

  name: str = setting("wide_resnet_40_2", "a network of apr_jax/models/zoo.py")
  dtype: str = setting(
    "auto", "of the convolutions: float32, bfloat16; auto = bfloat16 on GPU and TPU"
  )
  sync_batch_norm: bool = setting(
    False, "average batch statistics over all devices, also where device_group is 1"
  )
  mean: tuple[float, ...] = setting(
    (0.4914, 0.4822, 0.4465),
    "of the input normalisation, in units of [0, 1]",
    numbers("three numbers, one per channel", 3),
  )
  std: tuple[float, ...] = setting(
    (0.2023, 0.1994, 0.2010),
    "of the input normalisation, in units of [0, 1]",
    numbers("three numbers above 0, one per channel", 3, lambda std: min(std) > 0),
  )
  num_classes: int = setting(0, "0 = the data set's", at_least(0))
  image_size: tuple[int, int] = setting(
    (0, 0),
    "height and width in pixels; (0, 0) = the data set's",
    numbers("two numbers of pixels, 0 or more", 2, lambda size: min(size) >= 0),
  )
  weights: str = setting(
    "", 'folder of a run or an import that the parameters start from; "" = they are drawn'
  )
  frozen: bool = setting(
    False,
    "of augment.simclr and augment.csi: train the linear heads alone, on the finished network of "
    "model.weights, which is in inference",
  )


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """The update rule."""

  name: str = setting("sgd", "a row of apr_jax/optimizers.py: sgd or lars")
  learning_rate: float = setting(0.1, "the schedule's peak", above(0))
  momentum: float = setting(0.9, "0 = none", from_to_below(0, 1))
  nesterov: bool = setting(True, "Nesterov's momentum")
  weight_decay: float = setting(
    5e-4,
    "on all parameters but the logits of gains, added to the gradient before the momentum",
    at_least(0),
  )
  decay_norms: bool = setting(True, "weight decay on scales and biases of normalisation too")
  clip_norm: float = setting(
    0.0, "largest norm of the gradient, which is scaled down to it; 0 = no bound", at_least(0)
  )
  average_decay: float = setting(
    0.0,
    "of a moving average of the weights, which is scored beside them; 0 = none",
    from_to_below(0, 1),
  )
  skip_nonfinite: bool = setting(
    False,
    "a step whose loss or gradient is not finite changes nothing and is counted (skipped_steps in "
    "metrics.jsonl); otherwise it ends the training",
  )


@dataclasses.dataclass(frozen=True)
class Schedule:
  """The learning rate over time."""

  name: str = setting(
    "step", "a row of apr_jax/schedules.py: step, cosine, constant, triangular or one_cycle"
  )
  boundaries_epochs: tuple[float, ...] = setting(
    (60, 120, 160, 190),
    "step: multiply the rate by `factor` at these epochs",
    numbers(
      "numbers above 0 that increase",
      holds=lambda epochs: all(before < after for before, after in zip((0, *epochs), epochs)),
    ),
  )
  factor: float = setting(0.2, "step: of the rate at each boundary", above(0))
  warmup_epochs: float = setting(0.0, "linear rise from `warmup_start`", at_least(0))
  warmup_start: float = setting(0.0, "of the rate, where the warm-up begins", share())
  end_rate: float = setting(0.0, "cosine: the rate that it falls to", at_least(0))
  rise: float = setting(
    0.3, "one_cycle: of the steps until the peak; PyTorch's default", above(0, at_most=1)
  )
  peak_momentum: float = setting(
    0.8,
    "triangular, one_cycle: the momentum at the peak of the rate; at both ends it is "
    "optimizer.momentum, and where that is 0 there is none",
    from_to_below(0, 1),
  )


@dataclasses.dataclass(frozen=True)
class Augment:
  """Crop and flip; the methods of augmentation are sections beside these keys."""

  crop_padding: int = setting(
    4, "pixels on each side before the random crop; 0 = no crop", at_least(0)
  )
  crop_fill: int = setting(128, "value of the padding, 0 to 255", between(0, 255))
  flip: bool = setting(True, "random horizontal flip")
  label_smoothing: float = setting(
    0.0, "of the targets, spread over all classes; 0 = none", from_to_below(0, 1)
  )


@dataclasses.dataclass(frozen=True)
class Adversary:
  """Attacks the images of each step (PGD); Madry et al.'s numbers."""

  steps: int = setting(0, "of the attack; 0 = off; the release: 10", at_least(0))
  epsilon: float = setting(8.0, "largest change of a value, in levels of 0..255", between(0, 255))
  step_size: float = setting(2.0, "in levels of 0..255", above(0))
  random_start: bool = setting(True, "start from a random point within epsilon")
  outside: str = setting(
    "stay",
    "values that APR-P leaves outside [0, 1]: stay within epsilon, or pull to 0 or 1 however far, "
    "as APR's release does",
    OUTSIDE,
  )
  log_pgd: bool = setting(
    False,
    "once per epoch, the accuracy under a stronger attack (PGD, 5 steps) on the epoch's first "
    "batch; it warns of catastrophic overfitting",
  )
  stop_on_overfitting: bool = setting(
    False,
    "end the training when that accuracy falls by more than 20 points from one epoch to the next, "
    "with the state of the epoch before",
  )

  @property
  def on(self) -> bool:
    """Whether images are attacked at all."""
    return self.steps > 0


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """What is kept of a run."""

  every_steps: int = setting(0, "0 = at the end of each epoch", at_least(0))
  keep: int = setting(2, "newest checkpoints to keep", above(0))


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """How a trained network is scored."""

  batch_size: int = setting(
    500,
    "images per step over all devices, on CPUs 48 at most; changes no result",
    above(0),
  )
  ood_sets: tuple[str, ...] = setting(
    ("cifar100",),
    "out-of-distribution sets: names as in data.name, images:PATH, or a protocol of "
    "apr_jax/evaluation/ood_protocols.py: apr, openood",
    names("names of data sets"),
  )


def sections() -> dict[str, type]:
  """{where its keys stand: section}, in the order of the configuration."""
  return {
    "": Run,
    "data": Data,
    "model": Model,
    "model.first_layer": FirstLayer,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "augment": Augment,
    **{f"augment.{name}": method for name, method in METHODS.items()},
    "adversary": Adversary,
    "checkpoint": Checkpoint,
    "evaluation": Evaluation,
  }


def get_config() -> ml_collections.ConfigDict:
  """The configuration with all defaults, locked."""
  config = ml_collections.ConfigDict()
  for place, cls in sections().items():
    *parents, name = place.split(".")
    parent = config
    for part in parents:
      parent = parent[part]
    if name:
      parent[name] = section(cls)
    else:
      parent.update(section(cls))
  return config.lock()


def section_at(config: ml_collections.ConfigDict, place: str) -> ml_collections.ConfigDict:
  """The values of a section of `sections`."""
  for part in place.split(".") if place else ():
    config = config[part]
  return config


def before() -> dict[str, Any]:
  """The values that leave things as they were before their keys existed, {"augment.flip": True}."""
  return {
    f"{place}.{field.name}" if place else field.name: field.metadata["before"]
    for place, cls in sections().items()
    for field in dataclasses.fields(cls)
  }


def off(values: Mapping[str, Any]) -> tuple[str, ...]:
  """Beginnings of the keys of what is off, such as "augment.apr_p."; they change nothing.

  Args:
    values: of all keys of the configuration, with dots.
  """
  switched_off: list[str] = []
  for place, cls in sections().items():
    own = {
      key.rpartition(".")[2]: value
      for key, value in values.items()
      if key.rpartition(".")[0] == place
    }
    if hasattr(cls, "on") and not read(cls, own).on:
      switched_off.append(f"{place}.")
  return tuple(switched_off)

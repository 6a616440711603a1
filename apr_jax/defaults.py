"""Every configuration key once, with its unit, its source and its default.

The defaults are APR's CIFAR recipe (https://arxiv.org/abs/2108.08487 and the released code) without
augmentation beyond crop and flip, "Standard" in the paper's tables. A configuration file changes a
few of them. The keys are locked: one that is not here is an error.
"""

from collections.abc import Mapping
from typing import Any

import ml_collections

from apr_jax.settings import flatten


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.name = (
    ""  # of the experiment, in tables of results; "" = the name of the configuration file
  )
  config.seed = 0  # of everything random: initialisation, order of the data, augmentation
  config.epochs = 200
  config.batch_size = 128  # images per step over all devices
  config.log_every_steps = 100
  config.eval_every_epochs = 10  # clean test error during training; 0 = only at the end

  config.data = ml_collections.ConfigDict()
  config.data.name = "cifar10"  # a TFDS name, digits, npz:FILE, npy:DIR or folder:DIR
  config.data.data_dir = (
    ""  # where TFDS keeps its data sets, or NAME.npz or class folders NAME lie; "" = TFDS's own
  )
  # use the first N training images; 0 = all; class folders are sorted by class
  config.data.limit = 0
  config.data.image_size = 0  # pixels; resize and centre-crop to this square; 0 = as stored
  # pixels of the short side before that crop; 0 = image_size; ImageNet: 256 for 224
  config.data.resize = 0
  # read training images from disk as they are needed, in random resized crops
  config.data.stream = False
  # of those: smallest share of an image; 1 = the whole; torchvision's default
  config.data.min_crop_area = 0.08
  # of streams from TFDS: encoded images that each process holds to shuffle
  config.data.shuffle_buffer = 10_000
  # of streams: roots of class folders mixed in; in data_dir, or whole paths
  config.data.extra_folders = ()
  config.data.download = False  # let TFDS download a data set that is not prepared

  config.model = ml_collections.ConfigDict()
  config.model.name = "wide_resnet_40_2"  # a network of apr_jax/models/zoo.py
  # of the convolutions: float32, bfloat16; auto = bfloat16 on GPU and TPU
  config.model.dtype = "auto"
  config.model.sync_batch_norm = False  # average batch statistics over the devices
  config.model.mean = (0.4914, 0.4822, 0.4465)  # of the input normalisation, in units of [0, 1]
  config.model.std = (0.2023, 0.1994, 0.2010)
  config.model.num_classes = 0  # 0 = the data set's
  config.model.image_size = (0, 0)  # height and width in pixels; (0, 0) = the data set's

  config.optimizer = ml_collections.ConfigDict()
  config.optimizer.name = "sgd"  # sgd or lars
  config.optimizer.learning_rate = 0.1  # the schedule's peak
  config.optimizer.momentum = 0.9
  config.optimizer.nesterov = True
  # on all parameters, added to the gradient before the momentum
  config.optimizer.weight_decay = 5e-4

  config.schedule = ml_collections.ConfigDict()
  config.schedule.name = "step"  # step, cosine or constant
  # step: multiply the rate by `factor` at these epochs
  config.schedule.boundaries_epochs = (60, 120, 160, 190)
  config.schedule.factor = 0.2
  config.schedule.warmup_epochs = 0.0  # linear rise from zero

  config.augment = ml_collections.ConfigDict()
  config.augment.crop_padding = 4  # pixels on each side before the random crop; 0 = no crop
  config.augment.crop_fill = 128  # value of the padding, 0 to 255
  config.augment.flip = True  # random horizontal flip
  config.augment.apr_p = ml_collections.ConfigDict()
  # of recombining amplitudes within the batch; 0 = off; the paper: 0.6
  config.augment.apr_p.prob = 0.0
  # recombine after the input normalisation, as released for ImageNet
  config.augment.apr_p.normalised = False
  config.augment.apr_p.per_image = False  # one coin per image instead of one per batch
  config.augment.apr_s = ml_collections.ConfigDict()
  config.augment.apr_s.prob = 0.0  # of augmenting an image; 0 = off; the paper: 1
  # tenths of the operations' largest level, above 0.1 and at most 10
  config.augment.apr_s.severity = 3.0
  # values outside 0..255: wrap, as the released code does, or clip
  config.augment.apr_s.overflow = "wrap"
  config.augment.hybrid_p = ml_collections.ConfigDict()  # HybridAugment, paired: in place of apr_p
  # of exchanging high frequencies in the batch; 0 = off; the release: 0.6
  config.augment.hybrid_p.prob = 0.0
  # HybridAugment++: APR-P, with the same probability, on the low frequencies
  config.augment.hybrid_p.plus = False
  config.augment.hybrid_p.per_image = False  # coins per image instead of per batch
  config.augment.hybrid_s = ml_collections.ConfigDict()  # HybridAugment, single: in place of apr_s
  config.augment.hybrid_s.prob = 0.0  # of augmenting an image; 0 = off; the release: 1
  config.augment.hybrid_s.severity = 3.0  # as apr_s.severity
  config.augment.hybrid_s.overflow = "wrap"  # as apr_s.overflow
  config.augment.hybrid_s.plus = False  # HybridAugment++: APR-S on the low frequencies
  config.augment.cutout = ml_collections.ConfigDict()
  # side of the blanked square in pixels; 0 = off; the release: 16 on CIFAR-10
  config.augment.cutout.size = 0
  config.augment.patch_uniform = ml_collections.ConfigDict()
  config.augment.patch_uniform.size = 0  # largest side of the noisy square in pixels; 0 = off
  # largest amplitude of its uniform noise, in units of [0, 1]
  config.augment.patch_uniform.scale = 1.0
  config.augment.mixup = ml_collections.ConfigDict()
  config.augment.mixup.alpha = 0.0  # of the Beta distribution; 0 = off; the release: 1
  config.augment.cutmix = ml_collections.ConfigDict()
  config.augment.cutmix.alpha = 0.0  # of the Beta distribution; 0 = off; the paper: 1
  # of mixing a batch at all; the release: 0.5 on CIFAR-100, 1 on ImageNet
  config.augment.cutmix.prob = 0.5
  config.augment.autoaugment = (
    ""  # a policy of apr_jax/augment/policies.py, such as cifar10; "" = off
  )
  config.augment.random_autoaugment = False  # a policy drawn anew for each image
  config.augment.augmix = ml_collections.ConfigDict()
  config.augment.augmix.width = 0  # chains per view; 0 = off; the paper: 3
  # operations in the longest chain; each chain's number is drawn from 1..depth
  config.augment.augmix.depth = 3
  config.augment.augmix.severity = 3.0  # as apr_s.severity
  # SimCLR's views, for supervised contrastive training
  config.augment.simclr = ml_collections.ConfigDict()
  config.augment.simclr.views = 0  # per image; 0 = off; the papers: 2
  # smallest share of an image that a crop shows; SimCLR's and CSI's
  config.augment.simclr.min_area = 0.08

  config.loss = ml_collections.ConfigDict()
  config.loss.jsd_weight = 12.0  # with augmix: of the Jensen-Shannon divergence; AugMix's
  config.loss.temperature = 0.07  # with simclr: of the supervised contrastive loss; CSI's

  # attacks the images of each step (PGD); Madry et al.'s numbers
  config.adversary = ml_collections.ConfigDict()
  config.adversary.steps = 0  # of the attack; 0 = off; the release: 10
  config.adversary.epsilon = 8.0  # largest change of a value, in levels of 0..255
  config.adversary.step_size = 2.0  # in levels of 0..255
  config.adversary.random_start = True  # start from a random point within epsilon

  config.checkpoint = ml_collections.ConfigDict()
  config.checkpoint.every_steps = 0  # 0 = at the end of each epoch
  config.checkpoint.keep = 2  # newest checkpoints to keep

  config.evaluation = ml_collections.ConfigDict()
  # images per step over all devices, on CPUs 50 at most; changes no result
  config.evaluation.batch_size = 500
  # out-of-distribution sets: names as in data.name, images:PATH, or a
  config.evaluation.ood_sets = ("cifar100",)
  # protocol of apr_jax/evaluation/ood_protocols.py: apr, openood

  return config.lock()


# {the keys of something that can be off: the one that says so, by a value that counts as false}
_SWITCHES = {
  "augment.apr_p.": "prob",
  "augment.apr_s.": "prob",
  "augment.hybrid_p.": "prob",
  "augment.hybrid_s.": "prob",
  "augment.cutout.": "size",
  "augment.patch_uniform.": "size",
  "augment.mixup.": "alpha",
  "augment.cutmix.": "alpha",
  "augment.augmix.": "width",
  "augment.simclr.": "views",
  "adversary.": "steps",
}


def before() -> dict[str, Any]:
  """The values that leave things as they were before their keys existed, {"augment.flip": True}."""
  return flatten(get_config().to_dict())


def off(values: Mapping[str, Any]) -> tuple[str, ...]:
  """Beginnings of the keys of what is off, such as "augment.apr_p."; they change nothing.

  Args:
    values: of all keys of the configuration, with dots.
  """
  return tuple(keys for keys, switch in _SWITCHES.items() if not values[keys + switch])

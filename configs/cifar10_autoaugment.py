"""AutoAugment: the policy found for CIFAR-10, without what overlaps with the corruptions, on
CIFAR-10.

    python train.py --config configs/cifar10_autoaugment.py --workdir runs/cifar10_autoaugment
    python evaluate.py --workdir runs/cifar10_autoaugment

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 29.2, DenseNet 26.6,
WideResNet-40-2 23.9, ResNeXt-29 24.2. Measured here, error and cost: not run.

The published numbers are AugMix's, whose table leaves out color, contrast, brightness and
sharpness. The whole policy is --config.augment.autoaugment.policy=cifar10; its own paper adds
Cutout, --config.augment.cutout.size=16.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.autoaugment.policy = "cifar10_disjoint"
  return config

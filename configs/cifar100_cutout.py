"""Cutout: a 16-pixel square of each image blanked, on CIFAR-100.

    python train.py --config configs/cifar100_cutout.py --workdir runs/cifar100_cutout
    python evaluate.py --workdir runs/cifar100_cutout

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 56.8, DenseNet 59.6,
WideResNet-40-2 53.5, ResNeXt-29 54.6. Measured here, error and cost: not run.

Cutout's released code uses 8 pixels on CIFAR-100: --config.augment.cutout.size=8.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.cutout.size = 16
  return config

"""Cutout: a 16-pixel square of each image blanked, on CIFAR-10.

    python train.py --config configs/cifar10_cutout.py --workdir runs/cifar10_cutout
    python evaluate.py --workdir runs/cifar10_cutout

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 32.9, DenseNet 32.1,
WideResNet-40-2 26.8, ResNeXt-29 28.9. AUROC of out-of-distribution detection in percent, published
(APR, Table 2): ResNet-18 91.0, the mean over six sets (--ood_sets apr). Measured here, errors,
AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.cutout.size = 16
  return config

"""Mixup: images and labels averaged in pairs, on CIFAR-100.

    python train.py --config configs/cifar100_mixup.py --workdir runs/cifar100_mixup
    python evaluate.py --workdir runs/cifar100_mixup

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 53.4, DenseNet 55.4,
WideResNet-40-2 50.4, ResNeXt-29 51.4. Measured here, error and cost: not run.

Mixup's released CIFAR code decays weights by 1e-4: --config.optimizer.weight_decay=1e-4.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.mixup.alpha = 1.0
  return config

"""Mixup: images and labels averaged in pairs, on CIFAR-10.

    python train.py --config configs/cifar10_mixup.py --workdir runs/cifar10_mixup
    python evaluate.py --workdir runs/cifar10_mixup

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 24.6, DenseNet 24.6,
WideResNet-40-2 22.3, ResNeXt-29 22.6. AUROC of out-of-distribution detection in percent, published
(APR, Table 2): ResNet-18 77.8, the mean over six sets (--ood_sets apr). Measured here, errors,
AUROC and cost: not run.

Mixup's released CIFAR code decays weights by 1e-4: --config.optimizer.weight_decay=1e-4.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.mixup.alpha = 1.0
  return config

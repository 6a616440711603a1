"""Standard training: crop and flip, on CIFAR-10.

    python train.py --config configs/cifar10_standard.py --workdir runs/cifar10_standard
    python evaluate.py --workdir runs/cifar10_standard

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 30.8, DenseNet 30.7,
WideResNet-40-2 26.9, ResNeXt-29 27.5; (HybridAugment++, Table 1): ResNet-18 25.4. AUROC of
out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 88.1, the mean over
six sets (--ood_sets apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  return config

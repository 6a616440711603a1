"""Standard training: crop and flip, on CIFAR-100.

    python train.py --config configs/cifar100_standard.py --workdir runs/cifar100_standard
    python evaluate.py --workdir runs/cifar100_standard

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 56.4, DenseNet 59.3,
WideResNet-40-2 53.3, ResNeXt-29 53.4; (HybridAugment++, Table 1): ResNet-18 51.2. Measured here,
error and cost: not run.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  return config

"""APR-S: amplitude and phase of two views of each image recombined, on CIFAR-100.

    python train.py --config configs/cifar100_apr_s.py --workdir runs/cifar100_apr_s
    python evaluate.py --workdir runs/cifar100_apr_s

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 39.8, DenseNet 38.3,
WideResNet-40-2 35.5, ResNeXt-29 33.7; (HybridAugment++, Table 1): ResNet-18 33.0. Measured here,
error and cost: not run.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

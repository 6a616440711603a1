"""APR-SP: APR-S on the images, APR-P in the batch, on CIFAR-100.

    python train.py --config configs/cifar100_apr_sp.py --workdir runs/cifar100_apr_sp
    python evaluate.py --workdir runs/cifar100_apr_sp

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 35.9, DenseNet 35.8,
WideResNet-40-2 32.9, ResNeXt-29 31.0; (HybridAugment++, Table 1): ResNet-18 31.8. Measured here,
error and cost: not run.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.apr_p.prob = 0.6
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

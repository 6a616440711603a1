"""APR-SP: APR-S on the images, APR-P in the batch, on CIFAR-10.

    python train.py --config configs/cifar10_apr_sp.py --workdir runs/cifar10_apr_sp
    python evaluate.py --workdir runs/cifar10_apr_sp

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 11.5, DenseNet 10.3,
WideResNet-40-2 9.1, ResNeXt-29 9.1; (HybridAugment++, Table 1): ResNet-18 9.1. AUROC of
out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 94.7, the mean over
six sets (--ood_sets apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.apr_p.prob = 0.6
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

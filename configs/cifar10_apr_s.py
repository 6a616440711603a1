"""APR-S: amplitude and phase of two views of each image recombined, on CIFAR-10.

    python train.py --config configs/cifar10_apr_s.py --workdir runs/cifar10_apr_s
    python evaluate.py --workdir runs/cifar10_apr_s

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 14.8, DenseNet 12.3,
WideResNet-40-2 10.6, ResNeXt-29 11.0; (HybridAugment++, Table 1): ResNet-18 9.9. AUROC of
out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 91.3, the mean over
six sets (--ood_sets apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

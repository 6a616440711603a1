"""APR-P: amplitudes recombined within the batch, on CIFAR-10.

    python train.py --config configs/cifar10_apr_p.py --workdir runs/cifar10_apr_p
    python evaluate.py --workdir runs/cifar10_apr_p

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 21.5, DenseNet 20.3,
WideResNet-40-2 18.3, ResNeXt-29 18.5; (HybridAugment++, Table 1): ResNet-18 17.0. AUROC of
out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 93.1, the mean over
six sets (--ood_sets apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.apr_p.prob = 0.6
  return config

"""HybridAugment++, paired: high frequencies exchanged, APR-P on the low ones, on CIFAR-10.

    python train.py --config configs/cifar10_hybrid_plus_p.py --workdir runs/cifar10_hybrid_plus_p
    python evaluate.py --workdir runs/cifar10_hybrid_plus_p

Mean error on CIFAR-10-C in percent, published (HybridAugment++, Table 1): AllConvNet 16.7, DenseNet
14.2, WideResNet-40-2 13.2, ResNeXt-29 13.2, ResNet-18 15.2. AUROC of out-of-distribution detection
in percent, published (HybridAugment++, Table 5): ResNet-18 90.2, the mean over six sets (--ood_sets
apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.hybrid_p.prob = 0.6
  config.augment.hybrid_p.plus = True
  return config

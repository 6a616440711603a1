"""HybridAugment, single on the images and paired in the batch, on CIFAR-10.

    python train.py --config configs/cifar10_hybrid_ps.py --workdir runs/cifar10_hybrid_ps
    python evaluate.py --workdir runs/cifar10_hybrid_ps

Mean error on CIFAR-10-C in percent, published (HybridAugment++, Table 1): AllConvNet 12.0, DenseNet
10.9, WideResNet-40-2 9.9, ResNeXt-29 10.3, ResNet-18 9.3. AUROC of out-of-distribution detection in
percent, published (HybridAugment++, Table 5): ResNet-18 93.2, the mean over six sets (--ood_sets
apr). Measured here, errors, AUROC and cost: not run.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.hybrid_p.prob = 0.6
  config.augment.hybrid_s.prob = 1.0
  config.augment.hybrid_s.overflow = "wrap"  # as the released code
  return config

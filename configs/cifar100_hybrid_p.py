"""HybridAugment, paired: high frequencies exchanged within the batch, on CIFAR-100.

    python train.py --config configs/cifar100_hybrid_p.py --workdir runs/cifar100_hybrid_p
    python evaluate.py --workdir runs/cifar100_hybrid_p

Mean error on CIFAR-100-C in percent, published (HybridAugment++, Table 1): AllConvNet 44.7,
DenseNet 45.6, WideResNet-40-2 43.1, ResNeXt-29 41.2, ResNet-18 45.5. Measured here, error and cost:
not run.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.hybrid_p.prob = 0.6
  return config

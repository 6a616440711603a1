"""AugMix: mixtures of chains of operations, and the Jensen-Shannon loss, on CIFAR-100.

    python train.py --config configs/cifar100_augmix.py --workdir runs/cifar100_augmix
    python evaluate.py --workdir runs/cifar100_augmix

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 42.7, DenseNet 39.6,
WideResNet-40-2 35.9, ResNeXt-29 34.9. Measured here, error and cost: not run.

The step sees three views of each image: it costs about three of the standard ones.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.augment.augmix.width = 3
  return config

"""AugMix: mixtures of chains of operations, and the Jensen-Shannon loss, on CIFAR-10.

    python train.py --config configs/cifar10_augmix.py --workdir runs/cifar10_augmix
    python evaluate.py --workdir runs/cifar10_augmix

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 15.0, DenseNet 12.7,
WideResNet-40-2 11.2, ResNeXt-29 10.9. Measured here, error and cost: not run.

The step sees three views of each image: it costs about three of the standard ones.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.augmix.width = 3
  return config

"""AugMix: mixtures of chains of operations, and the Jensen-Shannon loss, on ImageNet.

    python train.py --config configs/imagenet_augmix.py --workdir runs/imagenet_augmix
    python evaluate.py --workdir runs/imagenet_augmix

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 68.4. Measured here, error and
cost: not run.

The step sees three views of each image: it costs about three of the standard ones. The schedule is
APR's; AugMix's released script trains 90 epochs.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.augmix.width = 3
  config.augment.augmix.severity = 1.0  # AugMix's released ImageNet script; on CIFAR 3
  return config

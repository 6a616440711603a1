r"""Random AutoAugment: a policy drawn anew for each image, without what overlaps with the
corruptions, on ImageNet.

    python train.py --config configs/imagenet_random_autoaugment.py \
        --workdir runs/imagenet_random_autoaugment
    python evaluate.py --workdir runs/imagenet_random_autoaugment

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 76.1. Measured here, error and
cost: not run.

The number is AugMix's, whose code for it is not released: that the probabilities are drawn too is
our reading.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.random_autoaugment.prob = 1.0
  return config

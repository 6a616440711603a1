"""AutoAugment: the policy found for ImageNet, without what overlaps with the corruptions, on
ImageNet.

    python train.py --config configs/imagenet_autoaugment.py --workdir runs/imagenet_autoaugment
    python evaluate.py --workdir runs/imagenet_autoaugment

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 72.7. Measured here, error and
cost: not run.

The number is AugMix's, whose table leaves out color, contrast, brightness and sharpness. The whole
policy is --config.augment.autoaugment.policy=imagenet.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.autoaugment.policy = "imagenet_disjoint"
  return config

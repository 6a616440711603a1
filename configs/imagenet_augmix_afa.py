"""AugMix's mixtures, one view alone, and AFA in a view beside it, on ImageNet.

    python train.py --config configs/imagenet_augmix_afa.py --workdir runs/imagenet_augmix_afa
    python evaluate.py --workdir runs/imagenet_augmix_afa

mCE on ImageNet-C in percent, published (AFA, result logs): ResNet-50 62.92. Measured here, error
and cost: not run.

The recipe is AFA's; which severity AugMix has there is not documented. The step sees two views of
each image.
"""

from configs import imagenet_afa_base


def get_config():
  config = imagenet_afa_base.get_config()
  config.augment.augmix.width = 3
  config.augment.augmix.severity = 1.0  # AugMix's released ImageNet script
  config.augment.augmix.single = True
  config.augment.afa.strength = 10.0
  return config

"""AugMix's mixtures, one view alone, and AFA in a view beside it, on CIFAR-100.

    python train.py --config configs/cifar100_augmix_afa.py --workdir runs/cifar100_augmix_afa
    python evaluate.py --workdir runs/cifar100_augmix_afa

Published: none that could be read. Measured here, errors and cost: not run.

The recipe is AFA's. The strength of the release on CIFAR is not documented; 10 is that of its
ImageNet commands. The step sees two views of each image.
"""

from configs import cifar100_afa_base


def get_config():
  config = cifar100_afa_base.get_config()
  config.augment.augmix.width = 3
  config.augment.augmix.single = True
  config.augment.afa.strength = 10.0
  return config

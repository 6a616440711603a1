"""PRIME on the images, and AFA in a view beside them, on CIFAR-10.

    python train.py --config configs/cifar10_prime_afa.py --workdir runs/cifar10_prime_afa
    python evaluate.py --workdir runs/cifar10_prime_afa

Published: none that could be read. Measured here, errors and cost: not run.

The recipe is AFA's. The strength of the release on CIFAR is not documented; 10 is that of its
ImageNet commands. The step sees two views of each image.
"""

from configs import cifar10_afa_base


def get_config():
  config = cifar10_afa_base.get_config()
  config.augment.prime.width = 3
  config.augment.afa.strength = 10.0
  return config

"""PRIME: mixtures of random transforms in space, colour and frequency, on CIFAR-10.

    python train.py --config configs/cifar10_prime.py --workdir runs/cifar10_prime
    python evaluate.py --workdir runs/cifar10_prime

Published: none that could be read. Measured here, errors and cost: not run.

The recipe is that of PRIME with the Jensen-Shannon loss; here one view alone is trained on.
"""

from configs import cifar10_prime_base


def get_config():
  config = cifar10_prime_base.get_config()
  config.augment.prime.width = 3
  return config

"""PRIME: mixtures of random transforms in space, colour and frequency, on CIFAR-100.

    python train.py --config configs/cifar100_prime.py --workdir runs/cifar100_prime
    python evaluate.py --workdir runs/cifar100_prime

Published: none that could be read. Measured here, errors and cost: not run.

The recipe is that of PRIME with the Jensen-Shannon loss; here one view alone is trained on.
"""

from configs import cifar100_prime_base


def get_config():
  config = cifar100_prime_base.get_config()
  config.augment.prime.width = 3
  return config

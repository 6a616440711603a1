"""PRIME: two mixtures of random transforms, and the Jensen-Shannon loss, on CIFAR-10.

    python train.py --config configs/cifar10_prime_jsd.py --workdir runs/cifar10_prime_jsd
    python evaluate.py --workdir runs/cifar10_prime_jsd

Mean error on CIFAR-10-C in percent, published (PRIME, README): ResNet-18 11.0. Measured here,
errors and cost: not run.

The released code keeps the best epoch on the test set; here the last one is scored. The step sees
three views of each image.
"""

from configs import cifar10_prime_base


def get_config():
  config = cifar10_prime_base.get_config()
  config.augment.prime.width = 3
  config.augment.prime.jsd_weight = 12.0
  return config

"""PRIME: two mixtures of random transforms, and the Jensen-Shannon loss, on CIFAR-100.

    python train.py --config configs/cifar100_prime_jsd.py --workdir runs/cifar100_prime_jsd
    python evaluate.py --workdir runs/cifar100_prime_jsd

Mean error on CIFAR-100-C in percent, published (PRIME, README): ResNet-18 31.7. Measured here,
errors and cost: not run.

The released code keeps the best epoch on the test set; here the last one is scored. The step sees
three views of each image.
"""

from configs import cifar100_prime_base


def get_config():
  config = cifar100_prime_base.get_config()
  config.augment.prime.width = 3
  config.augment.prime.jsd_weight = 12.0
  return config

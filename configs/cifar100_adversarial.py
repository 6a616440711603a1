"""Adversarial training: each step on images attacked by projected gradient ascent (PGD), on
CIFAR-100.

    python train.py --config configs/cifar100_adversarial.py --workdir runs/cifar100_adversarial
    python evaluate.py --workdir runs/cifar100_adversarial

Mean error on CIFAR-100-C in percent, published (APR, Table 1): AllConvNet 56.0, DenseNet 55.2,
WideResNet-40-2 55.1, ResNeXt-29 54.4. Measured here, error and cost: not run.

Neither APR's nor AugMix's table says how strong its attack is. These are the numbers of Madry et
al.'s released code (MadryLab/cifar10_challenge), which the first author of AugMix uses elsewhere
(hendrycks/pre-training): at most 8 of 255 levels, 10 steps of 2, from a random start. The step
costs about eleven of the standard ones.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.adversary.steps = 10
  return config

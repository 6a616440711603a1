"""Adversarial training: each step on images attacked by projected gradient ascent (PGD), on
CIFAR-10.

    python train.py --config configs/cifar10_adversarial.py --workdir runs/cifar10_adversarial
    python evaluate.py --workdir runs/cifar10_adversarial

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 28.1, DenseNet 27.6,
WideResNet-40-2 26.2, ResNeXt-29 27.0. Measured here, error and cost: not run.

Neither APR's nor AugMix's table says how strong its attack is. These are the numbers of Madry et
al.'s released code (MadryLab/cifar10_challenge), which the first author of AugMix uses elsewhere
(hendrycks/pre-training): at most 8 of 255 levels, 10 steps of 2, from a random start. The step
costs about eleven of the standard ones.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.adversary.steps = 10
  return config

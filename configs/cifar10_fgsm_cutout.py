"""FGSM training with Cutout, a 16-pixel square of each image blanked, on CIFAR-10.

    python train.py --config configs/cifar10_fgsm_cutout.py --workdir runs/cifar10_fgsm_cutout
    python evaluate.py --workdir runs/cifar10_fgsm_cutout --suites clean,autoattack

Accuracy in percent, published (APR, Table 3), PreActResNet-18: clean 81.3, under AutoAttack 41.6.
Tables of results have the clean error, which is 100 less the accuracy. Measured here, accuracies
and cost: not run.

Nothing is published of its training: epochs and rate are those of cifar10_fgsm.py, the square is
that of cifar10_cutout.py. The adversary also changes the blanked values.
"""

from configs import cifar10_fgsm_base


def get_config():
  config = cifar10_fgsm_base.get_config()
  config.augment.cutout.size = 16
  return config

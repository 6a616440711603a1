"""FGSM training: each step on images attacked once, from a random start, on CIFAR-10.

    python train.py --config configs/cifar10_fgsm.py --workdir runs/cifar10_fgsm
    python evaluate.py --workdir runs/cifar10_fgsm --suites clean,autoattack

Accuracy in percent, published (APR, Table 3), PreActResNet-18: clean 83.3, under AutoAttack 43.2.
Tables of results have the clean error, which is 100 less the accuracy. Measured here, accuracies
and cost: not run.

Which epochs and rate gave the published numbers is not known. They equal those of the checkpoint of
Wong et al. on RobustBench (83.34, 43.21), so this has the defaults of their script: 15 epochs, peak
rate 0.2. A network that overfits catastrophically has an accuracy near 0 under AutoAttack: a line
of the log warns of it, and --config.adversary.stop_on_overfitting=True ends the training before.
"""

from configs import cifar10_fgsm_base


def get_config():
  return cifar10_fgsm_base.get_config()

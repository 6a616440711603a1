"""FGSM training with APR-S: two views of each image recombined, on CIFAR-10.

    python train.py --config configs/cifar10_fgsm_apr_s.py --workdir runs/cifar10_fgsm_apr_s
    python evaluate.py --workdir runs/cifar10_fgsm_apr_s --suites clean,autoattack

Accuracy in percent, published (APR, Table 3), PreActResNet-18: clean 83.5, under AutoAttack 45.0.
Tables of results have the clean error, which is 100 less the accuracy. Measured here, accuracies
and cost: not run.

Epochs, rate and probability are those of the release (autoattacks/README.md). As in its code, the
batch is doubled without APR-P: each of the 128 images is there twice, with two random starts of the
attack, and the loss is the mean over the 256.
"""

from configs import cifar10_fgsm_base


def get_config():
  config = cifar10_fgsm_base.get_config()
  config.epochs = 65
  config.optimizer.learning_rate = 0.23
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  config.augment.apr_p.double = True
  config.augment.apr_p.mean_loss = True
  return config

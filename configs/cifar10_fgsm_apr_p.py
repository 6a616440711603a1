"""FGSM training with APR-P: amplitudes recombined within the batch, on CIFAR-10.

    python train.py --config configs/cifar10_fgsm_apr_p.py --workdir runs/cifar10_fgsm_apr_p
    python evaluate.py --workdir runs/cifar10_fgsm_apr_p --suites clean,autoattack

Accuracy in percent, published (APR, Table 3), PreActResNet-18: clean 85.3, under AutoAttack 44.1.
Tables of results have the clean error, which is 100 less the accuracy. Measured here, accuracies
and cost: not run.

Epochs, rate and probability are those of the release (autoattacks/README.md). As in its code,
normalised images are recombined, each step attacks the 128 images and their recombinations at once,
and the loss is the mean over the 256.
"""

from configs import cifar10_fgsm_base


def get_config():
  config = cifar10_fgsm_base.get_config()
  config.epochs = 55
  config.optimizer.learning_rate = 0.22
  config.augment.apr_p.prob = 0.16
  config.augment.apr_p.normalised = True
  config.augment.apr_p.mean_loss = True
  return config

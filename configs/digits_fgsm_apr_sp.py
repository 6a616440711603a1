"""FGSM training with APR-SP: APR-S on the images, APR-P in the batch, on scikit-learn's digits.

    python train.py --config configs/digits_fgsm_apr_sp.py --workdir runs/digits_fgsm_apr_sp
    python evaluate.py --workdir runs/digits_fgsm_apr_sp --suites clean,autoattack

What cifar10_fgsm_apr_sp.py is to cifar10_fgsm.py, this is to digits_fgsm.py, but for the rate and
the number of epochs, which are the same.
"""

from configs import digits_fgsm


def get_config():
  config = digits_fgsm.get_config()
  config.augment.apr_p.prob = 0.16
  config.augment.apr_p.normalised = True
  config.augment.apr_p.mean_loss = True
  config.augment.apr_s.prob = 0.9
  return config

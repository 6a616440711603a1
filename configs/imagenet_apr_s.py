"""APR-S: two views of each image recombined, on ImageNet.

    python train.py --config configs/imagenet_apr_s.py --workdir runs/imagenet_apr_s
    python evaluate.py --workdir runs/imagenet_apr_s

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 70.5. Measured here, error and
cost: not run.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

"""APR-P: amplitudes recombined within the batch, on ImageNet.

    python train.py --config configs/imagenet_apr_p.py --workdir runs/imagenet_apr_p
    python evaluate.py --workdir runs/imagenet_apr_p

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 69.3. Measured here, error and
cost: not run.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.apr_p.prob = 0.5
  return config

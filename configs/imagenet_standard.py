"""Random resized crop and flip only, on ImageNet.

    python train.py --config configs/imagenet_standard.py --workdir runs/imagenet_standard
    python evaluate.py --workdir runs/imagenet_standard

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 80.6. Measured here, error and
cost: not run.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  return config

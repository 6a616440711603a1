"""DeepAugment beside ImageNet: each image also through two distorted networks, on ImageNet.

    python train.py --config configs/imagenet_deepaugment.py --workdir runs/imagenet_deepaugment
    python evaluate.py --workdir runs/imagenet_deepaugment

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 63.1. Measured here, error and
cost: not run.

The images that the two distorted networks of DeepAugment give (Hendrycks et al., ICCV 2021; made
with their released code) lie in EDSR/WNID and CAE/WNID of data.data_dir. They triple the steps of
an epoch. The schedule is APR's; DeepAugment's released script trains 30 epochs with a cosine, from
a pretrained network, in batches of 1024.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.data.extra_folders = ("EDSR", "CAE")
  return config

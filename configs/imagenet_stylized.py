"""Stylized ImageNet beside ImageNet: each image also in the style of a painting, on ImageNet.

    python train.py --config configs/imagenet_stylized.py --workdir runs/imagenet_stylized
    python evaluate.py --workdir runs/imagenet_stylized

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 73.3. Measured here, error and
cost: not run.

The stylized images (Geirhos et al., ICLR 2019; made with their released code) lie in
Stylized-ImageNet/train/WNID of data.data_dir. They double the steps of an epoch.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.data.extra_folders = ("Stylized-ImageNet",)
  return config

r"""DeepAugment beside ImageNet, and APR-SP, on ImageNet.

    python train.py --config configs/imagenet_deepaugment_apr_sp.py \
        --workdir runs/imagenet_deepaugment_apr_sp
    python evaluate.py --workdir runs/imagenet_deepaugment_apr_sp

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 57.5. Measured here, error and
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
  config.augment.apr_p.prob = 0.5
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config

"""Patch Uniform: uniform noise on a square of each image, on ImageNet.

    python train.py --config configs/imagenet_patch_uniform.py --workdir runs/imagenet_patch_uniform
    python evaluate.py --workdir runs/imagenet_patch_uniform

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 74.3. Measured here, error and
cost: not run.

The number is AugMix's, which does not publish the size and scale that its tuning chose. These are
those of Patch Gaussian in TensorFlow's object detection: sides of up to 250 pixels, amplitudes of
up to 1.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.patch_uniform.size = 250
  return config

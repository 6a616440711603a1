"""PRIME on the images, and AFA in a view beside them, on ImageNet.

    python train.py --config configs/imagenet_prime_afa.py --workdir runs/imagenet_prime_afa
    python evaluate.py --workdir runs/imagenet_prime_afa

mCE on ImageNet-C in percent, published (AFA, result logs): ResNet-50 59.16. Measured here, error
and cost: not run.

The recipe is AFA's. The step sees two views of each image.
"""

from configs import imagenet_afa_base


def get_config():
  config = imagenet_afa_base.get_config()
  config.augment.prime.width = 3
  config.augment.prime.cut = 500
  config.augment.prime.colours = 500
  config.augment.prime.colour_strength = 0.05
  config.augment.prime.colour_band = 20
  config.augment.afa.strength = 10.0
  return config

"""AFA: Fourier waves on the images, with nothing beside them, on ImageNet.

    python train.py --config configs/imagenet_afa_plain.py --workdir runs/imagenet_afa_plain
    python evaluate.py --workdir runs/imagenet_afa_plain

Published: none that could be read. Measured here, error and cost: not run.
"""

from configs import imagenet_afa_base


def get_config():
  config = imagenet_afa_base.get_config()
  config.augment.afa.strength = 10.0
  config.augment.afa.mode = "plain"
  return config

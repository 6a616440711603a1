"""AFA: Fourier waves in a view with batch statistics of its own, on ImageNet.

    python train.py --config configs/imagenet_afa.py --workdir runs/imagenet_afa
    python evaluate.py --workdir runs/imagenet_afa

mCE on ImageNet-C in percent, published (AFA, result logs): ResNet-50 67.96. Measured here, error
and cost: not run.

The step sees two views of each image.
"""

from configs import imagenet_afa_base


def get_config():
  config = imagenet_afa_base.get_config()
  config.augment.afa.strength = 10.0
  return config

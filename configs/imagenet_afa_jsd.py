"""AFA: Fourier waves in a view of their own, and the Jensen-Shannon loss, on ImageNet.

    python train.py --config configs/imagenet_afa_jsd.py --workdir runs/imagenet_afa_jsd
    python evaluate.py --workdir runs/imagenet_afa_jsd

mCE on ImageNet-C in percent, published (AFA, result logs): ResNet-50 66.78. Measured here, error
and cost: not run.

The step sees three views of each image: the clean one, what another method makes of it, and the
waves. Which other method the published training has is not documented; here none is on, so that the
first two are the same.
"""

from configs import imagenet_afa_base


def get_config():
  config = imagenet_afa_base.get_config()
  config.augment.afa.strength = 10.0
  config.augment.afa.mode = "jsd"
  config.augment.afa.jsd_weight = 12.0
  return config

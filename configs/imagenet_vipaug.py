"""VIPAug-G: noise on phases in the place of APR-S, beside APR-P, on ImageNet.

    python train.py --config configs/imagenet_vipaug.py --workdir runs/imagenet_vipaug
    python evaluate.py --workdir runs/imagenet_vipaug

Published: none that could be read. Measured here, error and cost: not run.

The schedule is APR's. VIPAug-F, which takes phases of fractals, is not here.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.vipaug.prob = 1.0
  config.augment.vipaug.other = 0.005
  config.augment.apr_p.prob = 0.5
  return config

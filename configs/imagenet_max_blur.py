"""Max-blur pooling, with random resized crop and flip only, on ImageNet.

    python train.py --config configs/imagenet_max_blur.py --workdir runs/imagenet_max_blur
    python evaluate.py --workdir runs/imagenet_max_blur

mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 73.4. Measured here, error and
cost: not run.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.model.name = "resnet50_max_blur"
  return config

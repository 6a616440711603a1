r"""PRIME: two mixtures of random transforms, and the Jensen-Shannon loss, on ImageNet.

    python -m apr_jax.import_torch --model resnet50 --num-classes 1000 \
        --checkpoint resnet50.pth --workdir runs/resnet50
    python train.py --config configs/imagenet_prime_jsd.py --workdir runs/imagenet_prime_jsd
    python evaluate.py --workdir runs/imagenet_prime_jsd

mCE on ImageNet-C in percent, published (PRIME, README): ResNet-50 55.5. Measured here, error and
cost: not run.

It starts from the weights of an ordinary training, torchvision's in PyTorch's file resnet50.pth.
The step sees three views of each image.
"""

from configs import imagenet_prime_base


def get_config():
  config = imagenet_prime_base.get_config()
  config.augment.prime.width = 3
  config.augment.prime.jsd_weight = 12.0
  return config

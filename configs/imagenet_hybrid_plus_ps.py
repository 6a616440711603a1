r"""HybridAugment++, single on the images and paired in the batch, on ImageNet.

    python train.py --config configs/imagenet_hybrid_plus_ps.py \
        --workdir runs/imagenet_hybrid_plus_ps
    python evaluate.py --workdir runs/imagenet_hybrid_plus_ps

mCE on ImageNet-C in percent, published (HybridAugment++, Table 3): ResNet-50 67.3, and 65.8 with a
stronger blur. Measured here, error and cost: not run.

The released ImageNet script differs in the pair: it blurs with σ 1, here σ is ½ as on CIFAR; it
recombines the low part with probability 0.5, here 0.6, and after normalisation, here before.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.augment.hybrid_p.prob = 0.6
  config.augment.hybrid_p.plus = True
  config.augment.hybrid_s.prob = 1.0
  config.augment.hybrid_s.overflow = "wrap"  # as the released code
  config.augment.hybrid_s.plus = True
  return config

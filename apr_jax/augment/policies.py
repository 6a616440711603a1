"""AutoAugment's published policies: 25 pairs of (operation, probability, magnitude 0..9); an image
gets one.

The tables are those of the paper's appendix, as torchvision and DeepVoltaire/AutoAugment also give
them, entry by entry. The authors' released CIFAR code (tensorflow/models, research/autoaugment)
draws from 95 pairs instead, 20 of the 25 among them; for ImageNet, tensorflow/tpu has 25 other
pairs.

AugMix's table, which APR's repeats, marks AutoAugment with a star: operations that overlap with the
corruption benchmarks are left out. So "cifar10_disjoint" belongs to the published WideResNet errors
23.9 and 49.6 % (AugMix, Table 4), and "imagenet_disjoint" to the mCE of 72.7 %. AugMix, Section 3,
names what overlaps: color, contrast, brightness, sharpness and Cutout, which neither policy has.
That an operation left out leaves its place in the pair empty is our reading; no code is released.

Reference: Cubuk et al., AutoAugment, CVPR 2019 (https://arxiv.org/abs/1805.09501), appendix.
"""

Slot = tuple[str, float, int]
"""An operation, its probability and its magnitude."""
Policy = tuple[tuple[Slot, Slot], ...]

OVERLAPPING = ("color", "contrast", "brightness", "sharpness")

# Invert, autocontrast and equalize do not read the magnitude.
CIFAR10: Policy = (
  (("invert", 0.1, 7), ("contrast", 0.2, 6)),
  (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
  (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
  (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
  (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
  (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
  (("color", 0.4, 3), ("brightness", 0.6, 7)),
  (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
  (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
  (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
  (("color", 0.7, 7), ("translate_x", 0.5, 8)),
  (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
  (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
  (("brightness", 0.9, 6), ("color", 0.2, 8)),
  (("solarize", 0.5, 2), ("invert", 0.0, 3)),
  (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
  (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
  (("color", 0.9, 9), ("equalize", 0.6, 6)),
  (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
  (("brightness", 0.1, 3), ("color", 0.7, 0)),
  (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
  (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
  (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
  (("equalize", 0.8, 8), ("invert", 0.1, 3)),
  (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)

# The last five repeat earlier ones.
IMAGENET: Policy = (
  (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
  (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
  (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
  (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
  (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
  (("equalize", 0.4, 4), ("rotate", 0.8, 8)),
  (("solarize", 0.6, 3), ("equalize", 0.6, 7)),
  (("posterize", 0.8, 5), ("equalize", 1.0, 2)),
  (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
  (("equalize", 0.6, 8), ("posterize", 0.4, 6)),
  (("rotate", 0.8, 8), ("color", 0.4, 0)),
  (("rotate", 0.4, 9), ("equalize", 0.6, 2)),
  (("equalize", 0.0, 7), ("equalize", 0.8, 8)),
  (("invert", 0.6, 4), ("equalize", 1.0, 8)),
  (("color", 0.6, 4), ("contrast", 1.0, 8)),
  (("rotate", 0.8, 8), ("color", 1.0, 2)),
  (("color", 0.8, 8), ("solarize", 0.8, 7)),
  (("sharpness", 0.4, 7), ("invert", 0.6, 8)),
  (("shear_x", 0.6, 5), ("equalize", 1.0, 9)),
  (("color", 0.4, 0), ("equalize", 0.6, 3)),
  (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
  (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
  (("invert", 0.6, 4), ("equalize", 1.0, 8)),
  (("color", 0.6, 4), ("contrast", 1.0, 8)),
  (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
)


def _disjoint(policy: Policy) -> Policy:
  """The policy with nothing in the place of the overlapping operations."""

  def kept(slot: Slot) -> Slot:
    return ("identity", 0.0, 0) if slot[0] in OVERLAPPING else slot

  return tuple((kept(first), kept(second)) for first, second in policy)


POLICIES: dict[str, Policy] = {
  "cifar10": CIFAR10,
  "cifar10_disjoint": _disjoint(CIFAR10),
  "imagenet": IMAGENET,
  "imagenet_disjoint": _disjoint(IMAGENET),
}

"""How strong each corruption is: the two published tables, and the sizes between them.

The benchmark (Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
and Perturbations", ICLR 2019; repository hendrycks/robustness) fixes its parameters twice, for
32-pixel images (CIFAR-10-C) and for 224-pixel images (ImageNet-C). `at` returns those rows exactly
at these two sizes.

Scaling rule. Let s be the shorter side of the image. Up to 32 pixels the CIFAR row holds, from 224
the ImageNet row; between them each number moves on a straight line in s, and a number that counts
something (a motion radius, an offset, a number of scans, a JPEG quality) is rounded to the nearest
integer. Lengths are in pixels, so they grow with the image as they should; the rest moves from the
milder CIFAR values to the stronger ImageNet ones.
"""

from apr_jax.errors import lookup

SMALL, LARGE = 32, 224

# elastic_transform is published as fractions of a size; the generator multiplies by 244 where the
# image has 224.
_ELASTIC_SMALL = (
  (0, 0, 0.08),
  (0.05, 0.2, 0.07),
  (0.08, 0.06, 0.06),
  (0.1, 0.04, 0.05),
  (0.1, 0.03, 0.03),
)
_ELASTIC_LARGE = (
  (2, 0.7, 0.1),
  (2, 0.08, 0.2),
  (0.05, 0.01, 0.02),
  (0.07, 0.01, 0.02),
  (0.12, 0.01, 0.02),
)


def _scaled(rows, factor):
  return tuple(tuple(float(factor * value) for value in row) for row in rows)


# name: (rows for 32 pixels, rows for 224 pixels), one row per severity.
TABLES = {
  # standard deviation, in units of the value range
  "gaussian_noise": (
    ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)),
    ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
  ),
  # photons at full brightness
  "shot_noise": (((500,), (250,), (100,), (75,), (50,)), ((60,), (25,), (12,), (5,), (3,))),
  # fraction of the values replaced
  "impulse_noise": (
    ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
  ),
  # radius of the disk, sigma of its smoothing (pixels)
  "defocus_blur": (
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
  ),
  # sigma, largest offset (pixels), number of scans
  "glass_blur": (
    ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
  ),
  # radius, sigma of the one-sided line (pixels)
  "motion_blur": (
    ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
  ),
  # end and step of the range of zoom factors, which begins at 1
  "zoom_blur": (
    ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
  ),
  # mean and standard deviation of the flakes, zoom, threshold, radius and sigma of the fall,
  # share of the image
  "snow": (
    (
      (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
      (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
      (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
      (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
      (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    (
      (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
      (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
      (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
      (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
      (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
  ),
  # weight of the image, weight of the frost
  "frost": (
    ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
  ),
  # weight of the fog, decay of its detail per octave
  "fog": (
    ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
  ),
  # added to the value of HSV
  "brightness": (
    ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
  ),
  # factor on the distance from the mean
  "contrast": (
    ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
  ),
  # amplitude and sigma of the displacement, reach of the affine map's three points (pixels)
  "elastic_transform": (_scaled(_ELASTIC_SMALL, 32), _scaled(_ELASTIC_LARGE, 244)),
  # factor on the size
  "pixelate": (
    ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
  ),
  # quality
  "jpeg_compression": (((80,), (65,), (58,), (50,), (40,)), ((25,), (18,), (15,), (10,), (7,))),
  # standard deviation relative to the value
  "speckle_noise": (
    ((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)),
    ((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
  ),
  # sigma (pixels)
  "gaussian_blur": (
    ((0.4,), (0.6,), (0.7,), (0.8,), (1.0,)),
    ((1.0,), (2.0,), (3.0,), (4.0,), (6.0,)),
  ),
  # mean and standard deviation of the liquid, its sigma, threshold, weight (water) or sigma
  # (mud), is it mud
  "spatter": (
    (
      (0.62, 0.1, 0.7, 0.7, 0.5, 0),
      (0.65, 0.1, 0.8, 0.7, 0.5, 0),
      (0.65, 0.3, 1, 0.69, 0.5, 0),
      (0.65, 0.1, 0.7, 0.69, 0.6, 1),
      (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    (
      (0.65, 0.3, 4, 0.69, 0.6, 0),
      (0.65, 0.3, 3, 0.68, 0.6, 0),
      (0.65, 0.3, 2, 0.68, 0.5, 0),
      (0.65, 0.3, 1, 0.65, 1.5, 1),
      (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
  ),
  # factor on and addition to the saturation of HSV
  "saturate": (
    ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
  ),
}

# Columns that count something. Elsewhere an integer in the table is only a short way to write a
# real number.
_COUNTS = {
  "glass_blur": (1, 2),
  "motion_blur": (0,),
  "snow": (4,),
  "jpeg_compression": (0,),
  "spatter": (5,),
}


def at(name: str, severity: int, size: int) -> tuple:
  """The parameters of one corruption, by the scaling rule above.

  Args:
    name: one of the 19 names.
    severity: 1 to 5.
    size: shorter side of the image in pixels.

  Returns:
    The row of the table, in the order its comment names; counts are int, the rest float.

  Raises:
    UserError: the name is unknown.
  """
  small, large = (rows[severity - 1] for rows in lookup(TABLES, name, "corruption"))
  share = min(max((size - SMALL) / (LARGE - SMALL), 0.0), 1.0)
  row = [
    a if share == 0 else b if share == 1 else a + share * (b - a) for a, b in zip(small, large)
  ]
  counts = _COUNTS.get(name, ())
  return tuple(round(value) if i in counts else float(value) for i, value in enumerate(row))

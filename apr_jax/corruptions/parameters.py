"""How strong each corruption is: the two published tables, and the sizes between them.

The benchmark (Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019; repository hendrycks/robustness) fixes its parameters twice, for 32-pixel images
(CIFAR-10-C) and for 224-pixel images (ImageNet-C). `at` returns those rows exactly at these two sizes.

Scaling rule. Let s be the shorter side of the image. Up to 32 pixels the CIFAR row holds, from 224 the ImageNet
row; between them each number moves on a straight line in s, and a number that counts something (a motion radius,
an offset, a number of scans, a JPEG quality) is rounded to the nearest integer. Lengths are in pixels, so they grow
with the image as they should; the rest moves from the milder CIFAR values to the stronger ImageNet ones.
"""

from apr_jax.errors import lookup

SMALL, LARGE = 32, 224

# elastic_transform is published as fractions of a size; the generator multiplies by 244 where the image has 224.
_ELASTIC_SMALL = ((0, 0, .08), (.05, .2, .07), (.08, .06, .06), (.1, .04, .05), (.1, .03, .03))
_ELASTIC_LARGE = ((2, .7, .1), (2, .08, .2), (.05, .01, .02), (.07, .01, .02), (.12, .01, .02))


def _scaled(rows, factor):
  return tuple(tuple(float(factor * value) for value in row) for row in rows)


# name: (rows for 32 pixels, rows for 224 pixels), one row per severity.
TABLES = {
    # standard deviation, in units of the value range
    "gaussian_noise": (((.04,), (.06,), (.08,), (.09,), (.10,)), ((.08,), (.12,), (.18,), (.26,), (.38,))),
    # photons at full brightness
    "shot_noise": (((500,), (250,), (100,), (75,), (50,)), ((60,), (25,), (12,), (5,), (3,))),
    # fraction of the values replaced
    "impulse_noise": (((.01,), (.02,), (.03,), (.05,), (.07,)), ((.03,), (.06,), (.09,), (.17,), (.27,))),
    # radius of the disk, sigma of its smoothing (pixels)
    "defocus_blur": (((.3, .4), (.4, .5), (.5, .6), (1, .2), (1.5, .1)),
                     ((3, .1), (4, .5), (6, .5), (8, .5), (10, .5))),
    # sigma, largest offset (pixels), number of scans
    "glass_blur": (((.05, 1, 1), (.25, 1, 1), (.4, 1, 1), (.25, 1, 2), (.4, 1, 2)),
                   ((.7, 1, 2), (.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))),
    # radius, sigma of the one-sided line (pixels)
    "motion_blur": (((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
                    ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    # end and step of the range of zoom factors, which begins at 1
    "zoom_blur": (((1.06, .01), (1.11, .01), (1.16, .01), (1.21, .01), (1.26, .01)),
                  ((1.11, .01), (1.16, .01), (1.21, .02), (1.26, .02), (1.31, .03))),
    # mean and standard deviation of the flakes, zoom, threshold, radius and sigma of the fall, share of the image
    "snow": (((.1, .2, 1, .6, 8, 3, .95), (.1, .2, 1, .5, 10, 4, .9), (.15, .3, 1.75, .55, 10, 4, .9),
              (.25, .3, 2.25, .6, 12, 6, .85), (.3, .3, 1.25, .65, 14, 12, .8)),
             ((.1, .3, 3., .5, 10, 4, .8), (.2, .3, 2, .5, 12, 4, .7), (.55, .3, 4, .9, 12, 8, .7),
              (.55, .3, 4.5, .85, 12, 8, .65), (.55, .3, 2.5, .85, 12, 12, .55))),
    # weight of the image, weight of the frost
    "frost": (((1, .2), (1, .3), (.9, .4), (.85, .4), (.75, .45)),
              ((1, .4), (.8, .6), (.7, .7), (.65, .7), (.6, .75))),
    # weight of the fog, decay of its detail per octave
    "fog": (((.2, 3), (.5, 3), (.75, 2.5), (1, 2), (1.5, 1.75)),
            ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    # added to the value of HSV
    "brightness": (((.05,), (.1,), (.15,), (.2,), (.3,)), ((.1,), (.2,), (.3,), (.4,), (.5,))),
    # factor on the distance from the mean
    "contrast": (((.75,), (.5,), (.4,), (.3,), (.15,)), ((.4,), (.3,), (.2,), (.1,), (.05,))),
    # amplitude and sigma of the displacement, reach of the affine map's three points (pixels)
    "elastic_transform": (_scaled(_ELASTIC_SMALL, 32), _scaled(_ELASTIC_LARGE, 244)),
    # factor on the size
    "pixelate": (((.95,), (.9,), (.85,), (.75,), (.65,)), ((.6,), (.5,), (.4,), (.3,), (.25,))),
    # quality
    "jpeg_compression": (((80,), (65,), (58,), (50,), (40,)), ((25,), (18,), (15,), (10,), (7,))),
    # standard deviation relative to the value
    "speckle_noise": (((.06,), (.1,), (.12,), (.16,), (.2,)), ((.15,), (.2,), (.35,), (.45,), (.6,))),
    # sigma (pixels)
    "gaussian_blur": (((.4,), (.6,), (.7,), (.8,), (1.,)), ((1.,), (2.,), (3.,), (4.,), (6.,))),
    # mean and standard deviation of the liquid, its sigma, threshold, weight (water) or sigma (mud), is it mud
    "spatter": (((.62, .1, .7, .7, .5, 0), (.65, .1, .8, .7, .5, 0), (.65, .3, 1, .69, .5, 0),
                 (.65, .1, .7, .69, .6, 1), (.65, .1, .5, .68, .6, 1)),
                ((.65, .3, 4, .69, .6, 0), (.65, .3, 3, .68, .6, 0), (.65, .3, 2, .68, .5, 0),
                 (.65, .3, 1, .65, 1.5, 1), (.67, .4, 1, .65, 1.5, 1))),
    # factor on and addition to the saturation of HSV
    "saturate": (((.3, 0), (.1, 0), (1.5, 0), (2, .1), (2.5, .2)), ((.3, 0), (.1, 0), (2, 0), (5, .1), (20, .2))),
}

# Columns that count something. Elsewhere an integer in the table is only a short way to write a real number.
_COUNTS = {"glass_blur": (1, 2), "motion_blur": (0,), "snow": (4,), "jpeg_compression": (0,), "spatter": (5,)}


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
  row = [a if share == 0 else b if share == 1 else a + share * (b - a) for a, b in zip(small, large)]
  counts = _COUNTS.get(name, ())
  return tuple(round(value) if i in counts else float(value) for i, value in enumerate(row))

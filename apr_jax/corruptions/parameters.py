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

import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from apr_jax.corruptions import blur, digital, jpeg, noise, spatter, weather
from apr_jax.errors import UserError, lookup

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


def _scaled(rows: Sequence[Sequence[float]], factor: float) -> tuple[tuple[float, ...], ...]:
  return tuple(tuple(float(factor * value) for value in row) for row in rows)


class Table(NamedTuple):
  """The published numbers of one corruption, one row per severity.

  Attributes:
    kind: the type that names the numbers of a row, in their order, and says which of them count
      something: those are int.
    small: the rows for 32 pixels.
    large: the rows for 224 pixels.
  """

  kind: type[Any]
  small: Sequence[Sequence[float]]
  large: Sequence[Sequence[float]]


TABLES = {
  "gaussian_noise": Table(
    noise.GaussianNoise,
    ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)),
    ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
  ),
  "shot_noise": Table(
    noise.ShotNoise, ((500,), (250,), (100,), (75,), (50,)), ((60,), (25,), (12,), (5,), (3,))
  ),
  "impulse_noise": Table(
    noise.ImpulseNoise,
    ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
  ),
  "defocus_blur": Table(
    blur.DefocusBlur,
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
  ),
  "glass_blur": Table(
    blur.GlassBlur,
    ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
  ),
  "motion_blur": Table(
    blur.MotionBlur,
    ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
  ),
  "zoom_blur": Table(
    blur.ZoomBlur,
    ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
  ),
  "snow": Table(
    weather.Snow,
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
  "frost": Table(
    weather.Frost,
    ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
  ),
  "fog": Table(
    weather.Fog,
    ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
  ),
  "brightness": Table(
    digital.Brightness,
    ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
  ),
  "contrast": Table(
    digital.Contrast,
    ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
  ),
  "elastic_transform": Table(
    digital.ElasticTransform, _scaled(_ELASTIC_SMALL, 32), _scaled(_ELASTIC_LARGE, 244)
  ),
  "pixelate": Table(
    digital.Pixelate,
    ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
  ),
  "jpeg_compression": Table(
    jpeg.JpegCompression, ((80,), (65,), (58,), (50,), (40,)), ((25,), (18,), (15,), (10,), (7,))
  ),
  "speckle_noise": Table(
    noise.SpeckleNoise,
    ((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)),
    ((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
  ),
  "gaussian_blur": Table(
    blur.GaussianBlur,
    ((0.4,), (0.6,), (0.7,), (0.8,), (1.0,)),
    ((1.0,), (2.0,), (3.0,), (4.0,), (6.0,)),
  ),
  "spatter": Table(
    spatter.Spatter,
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
  "saturate": Table(
    digital.Saturate,
    ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
  ),
}


def at(name: str, severity: int, size: int) -> Any:
  """The parameters of one corruption, by the scaling rule above.

  Args:
    name: one of the 19 names.
    severity: 1 to 5.
    size: shorter side of the image in pixels.

  Returns:
    The row of the table, of the corruption's own type, such as `noise.GaussianNoise`.

  Raises:
    UserError: the name or the severity is unknown.
  """
  table = lookup(TABLES, name, "corruption")
  if not 1 <= severity <= len(table.small):
    raise UserError(f"severity: got {severity!r}, need an integer from 1 to {len(table.small)}.")
  share = min(max((size - SMALL) / (LARGE - SMALL), 0.0), 1.0)
  row = []
  for small, large in zip(table.small[severity - 1], table.large[severity - 1], strict=True):
    # The published rows hold exactly at their sizes, also where the line would round.
    if share == 0:
      row.append(small)
    elif share == 1:
      row.append(large)
    else:
      row.append(small + share * (large - small))
  types = typing.get_type_hints(table.kind).values()
  return table.kind(*(_converted(value, kind) for value, kind in zip(row, types, strict=True)))


def _converted(value: float, kind: type) -> float | int | bool:
  """The number as the row's type has it; what counts something is rounded to the nearest."""
  return float(value) if kind is float else kind(round(value))

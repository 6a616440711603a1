"""The published rows at the two published sizes, and the rule between them."""

import pytest

from apr_jax.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, parameters
from apr_jax.errors import UserError


def test_every_corruption_has_five_rows_of_equal_length_at_both_sizes():
  assert set(parameters.TABLES) == set(CORRUPTIONS + EXTRA_CORRUPTIONS)
  for table in parameters.TABLES.values():
    assert len(table.small) == len(table.large) == 5
    assert {len(row) for row in (*table.small, *table.large)} == {len(table.kind._fields)}


@pytest.mark.parametrize("name", CORRUPTIONS + EXTRA_CORRUPTIONS)
def test_rows_are_of_the_types_they_declare(name):
  for size in (32, 100, 224):
    row = parameters.at(name, 3, size)
    kinds = type(row).__annotations__
    assert {field: type(value) for field, value in row._asdict().items()} == kinds


def test_a_severity_out_of_range_is_refused():
  for severity in (0, 6):
    with pytest.raises(UserError, match=f"severity: got {severity}, need an integer from 1 to 5"):
      parameters.at("fog", severity, 32)


@pytest.mark.parametrize(
  "name, severity, size, row",
  [
    ("gaussian_noise", 1, 32, (0.04,)),
    ("gaussian_noise", 5, 224, (0.38,)),
    ("motion_blur", 4, 32, (8, 2.0)),
    ("motion_blur", 2, 224, (15, 5.0)),
    ("jpeg_compression", 2, 32, (65,)),
    ("jpeg_compression", 5, 299, (7,)),
    ("glass_blur", 3, 16, (0.4, 1, 1)),
    ("glass_blur", 5, 224, (1.5, 4, 2)),
    ("snow", 5, 32, (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8)),
    ("elastic_transform", 2, 32, (1.6, 6.4, 2.24)),
    ("elastic_transform", 3, 224, (12.2, 2.44, 4.88)),
    # Half-way: the mean of both rows, counts rounded.
    ("gaussian_noise", 1, 128, (0.06,)),
    ("jpeg_compression", 1, 128, (52,)),
    ("glass_blur", 5, 128, (0.95, 2, 2)),
    ("zoom_blur", 5, 128, (1.285, 0.02)),
  ],
)
def test_rows(name, severity, size, row):
  found = parameters.at(name, severity, size)
  assert found == pytest.approx(row)
  assert [type(value) for value in found] == [type(value) for value in row]


def test_unknown_name():
  with pytest.raises(UserError, match="unknown corruption"):
    parameters.at("rain", 1, 32)

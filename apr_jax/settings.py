"""Settings as nested values: the keys of configurations, and what they have in common."""

from collections.abc import Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Nested keys joined by dots: {"model": {"name": "x"}} → {"model.name": "x"}."""
  flat: dict[str, Any] = {}
  for key, value in values.items():
    flat |= (
      flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    )
  return flat

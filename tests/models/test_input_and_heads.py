"""Networks that are shown bands alone, and networks with two heads, on a network of two layers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.models import FirstLayer, NetworkSpec
from apr_jax.models.band_input import BandInput
from apr_jax.models.layers import BatchNorm


class Small(nn.Module):
  """Features and, if there are classes, a head."""

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    x = nn.Conv(6, (3, 3), use_bias=False, name="conv1")(images)
    x = nn.relu(BatchNorm(name="bn")(x, train))
    x = x.reshape(len(x), -1)
    return nn.Dense(self.num_classes, name="fc")(x) if self.num_classes else x


@pytest.fixture(autouse=True)
def small(monkeypatch):
  monkeypatch.setitem(models.NETWORKS, "small", Small)


SPEC = NetworkSpec("small", 4, (8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), dtype="float32")
IMAGES = np.random.default_rng(0).random((5, 8, 8, 3), dtype=np.float32)


def started(spec):
  return spec.build().init(jax.random.key(0), IMAGES)


def test_outside_of_training_a_network_of_bands_recombines_its_input():
  bands = BandInput("low", "high", (2.0, 4.0), "hard", "angle")
  plain, shown = SPEC.build(), dataclasses.replace(SPEC, bands=bands).build()
  variables = started(SPEC)
  np.testing.assert_allclose(
    shown.apply(variables, IMAGES), plain.apply(variables, bands(IMAGES)), rtol=1e-5
  )
  assert np.abs(shown.apply(variables, IMAGES) - plain.apply(variables, IMAGES)).max() > 0.1
  # In training the augmentation has done it.
  outputs, _ = shown.apply(variables, IMAGES, train=True, mutable=["batch_stats"])
  expected, _ = plain.apply(variables, IMAGES, train=True, mutable=["batch_stats"])
  np.testing.assert_array_equal(outputs.logits, expected.logits)


def test_two_heads_share_their_features_and_mix_their_logits():
  spec = dataclasses.replace(SPEC, label_share=0.3)
  variables = started(spec)
  outputs, _ = spec.build().apply(variables, IMAGES, train=True, mutable=["batch_stats"])
  assert outputs.logits.shape == outputs.amplitude_logits.shape == (5, 4)
  assert np.abs(outputs.logits - outputs.amplitude_logits).max() > 0.01
  ends = [
    dataclasses.replace(spec, label_share=share).build().apply(variables, IMAGES)
    for share in (1.0, 0.0)
  ]
  mixed = spec.build().apply(variables, IMAGES)
  np.testing.assert_allclose(mixed, 0.3 * ends[0] + 0.7 * ends[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_two_heads_fold_into_one(share):
  spec = dataclasses.replace(SPEC, label_share=share)
  variables = started(spec)
  folded = spec.fold(variables)
  assert spec.folded() == SPEC
  assert jax.tree.structure(folded) == jax.tree.structure(started(SPEC))
  np.testing.assert_allclose(
    SPEC.build().apply(folded, IMAGES), spec.build().apply(variables, IMAGES), atol=1e-5
  )


def test_a_first_layer_bands_and_two_heads_go_together():
  layer = FirstLayer(kind="proportion", proportion=(1.0, 0.0, 0.0))
  bands = BandInput("low", "all", (2.0, 4.0), "hard", "angle")
  spec = dataclasses.replace(SPEC, bands=bands, label_share=0.3, first_layer=layer)
  variables = started(spec)
  assert set(variables["params"]["network"]["network"]["conv1"]) == {"coefficients"}
  assert spec.folded() == dataclasses.replace(SPEC, bands=bands)
  np.testing.assert_allclose(
    spec.folded().build().apply(spec.fold(variables), IMAGES),
    spec.build().apply(variables, IMAGES),
    atol=1e-5,
  )

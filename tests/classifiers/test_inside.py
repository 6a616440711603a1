"""What lies inside a network: its features, its last layer, and its logits with other batch
statistics.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax.classifiers import inside
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.data import load
from apr_jax.errors import UserError
from apr_jax.models.layers import BatchNorm


class Small(nn.Module):
  """Two normalisations around a nonlinearity, and a last layer."""

  @nn.compact
  def __call__(self, images, train=False):
    x = BatchNorm(name="first")(images, train)
    x = BatchNorm(name="second")(jnp.tanh(x) * images, train)
    return nn.Dense(4, name="fc")(x.mean((1, 2)))


IMAGES = np.random.RandomState(0).rand(6, 5, 5, 3).astype(np.float32)


def variables_of(network):
  variables = network.init(jax.random.key(0), IMAGES)
  random = np.random.RandomState(1)
  return jax.tree.map(lambda x: x + random.uniform(0.1, 1, x.shape).astype(np.float32), variables)


def by_hand(variables, images, prior):
  """NumPy in float64."""
  n = len(images)

  def norm(x, name):
    stats = {k: np.float64(v) for k, v in variables["batch_stats"][name].items()}
    params = {k: np.float64(v) for k, v in variables["params"][name].items()}
    mean = (prior * stats["mean"] + n * x.mean((0, 1, 2))) / (prior + n)
    var = (prior * stats["var"] + n * x.var((0, 1, 2))) / (prior + n)
    return (x - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"]

  images = np.float64(images)
  x = norm(np.tanh(norm(images, "first")) * images, "second").mean((1, 2))
  return x @ variables["params"]["fc"]["kernel"] + variables["params"]["fc"]["bias"]


@pytest.mark.parametrize("prior", [0, 2, 100])
def test_adapted_statistics_against_numpy(prior):
  network = Small()
  variables = variables_of(network)
  found = inside.adapted_logits(network.apply, variables, IMAGES, float(prior))
  np.testing.assert_allclose(found, by_hand(variables, IMAGES, prior), rtol=1e-4)
  # With a very large prior they are the network's own.
  plain = network.apply(variables, IMAGES)
  own = inside.adapted_logits(network.apply, variables, IMAGES, 1e9)
  np.testing.assert_allclose(own, plain, rtol=1e-4)
  assert not np.allclose(found, plain, rtol=1e-2) or prior == 100


def test_features_and_the_last_layer_make_the_logits():
  network = Small()
  variables = variables_of(network)
  weights, bias = inside.last_layer(variables)
  found = inside.features(network.apply, variables, IMAGES)
  np.testing.assert_allclose(found @ weights + bias, network.apply(variables, IMAGES), rtol=1e-5)


def test_a_network_without_them_says_so():
  network = nn.Dense(3, name="other")
  variables = network.init(jax.random.key(0), IMAGES)
  with pytest.raises(UserError, match="one linear layer called 'fc'"):
    inside.features(network.apply, variables, IMAGES)
  with pytest.raises(UserError, match="one linear layer called 'fc'"):
    inside.last_layer(variables)
  with pytest.raises(UserError, match="has no batch normalisation"):
    inside.adapted_logits(network.apply, variables, IMAGES, 0.0)


def test_of_a_trained_run(run):
  classifier = LoadedClassifier(run)
  images = load("digits", "test").images[:60]
  weights, bias = classifier.last_layer
  features = classifier.features(images)
  logits = classifier.logits(images)
  np.testing.assert_allclose(features @ weights + bias, logits, atol=1e-4)
  adapted = classifier.adapted_logits(images)
  assert adapted.shape == logits.shape and not np.allclose(adapted, logits, atol=0.1)
  # A dark copy of the images is another distribution, and their own statistics undo much of it.
  dark = images // 4
  own = classifier.adapted_logits(dark)
  assert np.abs(own - adapted).mean() < np.abs(classifier.logits(dark) - logits).mean()

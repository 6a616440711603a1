"""The networks against PyTorch twins written from the same description, with the same random
parameters.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import models
from apr_jax.errors import UserError
from apr_jax.models import torch_names
from tests import lazy

torch, twins = map(lazy.needed, ("torch", "tests.models.torch_twins.zoo"))

CLASSES = 7
SMALL = "wide_resnet_10_1"
# These programs run once: compiling them without optimisation takes half the time.
QUICKLY = {"xla_backend_optimization_level": 0}


def arrays(tensors):
  return {key: value.detach().numpy() for key, value in tensors.items()}


def make_ours(name, twin, size):
  """Our network without normalisation, and the twin's variables."""
  model = models.make(name, CLASSES, mean=(0, 0, 0), std=(1, 1, 1))
  template = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, size, size, 3))))
  return model, torch_names.to_variables(name, arrays(twin.state_dict()), template, "the twin")


@pytest.fixture(scope="module", params=sorted(torch_names.NAMES.keys() - {"wide_resnet_28_10"}))
def pair(request):
  """The name, the twin, our network and the twin's variables, of each network in turn."""
  name = request.param
  twin = twins.make_twin(name, CLASSES)
  return name, twin, *make_ours(name, twin, size_of(name))


def size_of(name):
  return 64 if name.startswith("resnet50") else 32


def make_images(number, size):
  """Images [B, H, W, 3] for ours, and the same [B, 3, H, W] for PyTorch."""
  images = np.random.default_rng(3).normal(size=(number, size, size, 3)).astype(np.float32)
  return images, torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def test_a_network_with_names_in_pytorch_has_a_twin():
  assert torch_names.NAMES.keys() <= models.NETWORKS.keys()
  # wide_resnet_40_2 with other numbers
  assert torch_names.NAMES.keys() - twins.TWINS.keys() == {"wide_resnet_28_10"}


def test_a_network_without_a_counterpart_in_pytorch_is_refused_in_one_line():
  with pytest.raises(UserError, match="unknown network with a counterpart in PyTorch 'of_ours'"):
    torch_names.to_state_dict("of_ours", {})


def test_logits_are_pytorchs(pair):
  name, twin, model, variables = pair
  ours, theirs = make_images(1 if name.startswith("resnet50") else 2, size_of(name))
  with torch.no_grad():
    expected = twin(theirs).numpy()
  assert expected.std() > 1e-3 * np.abs(expected).max() > 0
  apply = model.apply
  if name.startswith("resnet50"):
    # Without what keeps an image's logits alike in any batch: it would compute 192 images for the
    # one, which takes a minute.
    apply = functools.partial(model.network.apply, train=False)
    variables = {kind: tree["network"] for kind, tree in variables.items()}
  logits = jax.jit(apply, compiler_options=QUICKLY)(variables, ours)
  np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
  parameters = sum(value.numel() for value in twin.parameters())
  assert sum(x.size for x in jax.tree.leaves(variables["params"])) == parameters


def test_there_and_back_is_the_identity_and_pytorch_loads_it(pair):
  name, twin, _, variables = pair
  state = torch_names.to_state_dict(name, variables)
  expected = {
    key: value
    for key, value in arrays(twin.state_dict()).items()
    if "num_batches_tracked" not in key
  }
  assert state.keys() == expected.keys()
  for key, value in state.items():
    assert value.dtype == np.float32 and value.flags.c_contiguous
    np.testing.assert_array_equal(value, expected[key], err_msg=key)
  twin.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()}, strict=True)
  again = torch_names.to_variables(name, state, variables, "ours")
  jax.tree.map(np.testing.assert_array_equal, again, variables)


@pytest.fixture(scope="module")
def step():
  """Loss, gradients and new statistics of one training step of the smallest network, here and in
  PyTorch.
  """
  twin = twins.make_twin(SMALL, CLASSES).train()
  model, variables = make_ours(SMALL, twin, 32)
  ours, theirs = make_images(4, 32)
  labels = np.array([0, 3, 6, 1])

  def loss(params):
    outputs, updates = model.apply(
      variables | {"params": params}, ours, train=True, mutable=["batch_stats"]
    )
    return -jax.nn.log_softmax(outputs.logits)[np.arange(4), labels].mean(), updates

  train = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=QUICKLY)
  (value, updates), gradients = train(variables["params"])
  expected = torch.nn.functional.cross_entropy(twin(theirs), torch.from_numpy(labels))
  expected.backward()
  found = torch_names.to_state_dict(SMALL, jax.device_get({"params": gradients} | updates))
  return float(value), found, expected.item(), twin


def test_the_loss_in_training_is_pytorchs(step):
  value, _, expected, _ = step
  assert value == pytest.approx(expected, rel=1e-5)


def test_statistics_after_a_step_are_pytorchs(step):
  _, found, _, twin = step
  before = arrays(twins.make_twin(SMALL, CLASSES).state_dict())
  expected = {key: value for key, value in arrays(twin.state_dict()).items() if "running_" in key}
  assert len(expected) == 2 * 7
  for key, value in expected.items():
    np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)
    assert np.abs(value - before[key]).max() > 0.01


def test_gradients_are_pytorchs(step):
  _, found, _, twin = step
  for key, parameter in twin.named_parameters():
    expected = parameter.grad.numpy()
    np.testing.assert_allclose(
      found[key], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=key
    )


def test_normalisation_is_pytorchs():
  mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
  twin = twins.make_twin(SMALL, CLASSES)
  _, variables = make_ours(SMALL, twin, 32)
  images = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype(np.float32)
  with torch.no_grad():
    expected = twin(twins.normalised(images, mean, std)).numpy()
  logits = models.make(SMALL, CLASSES, mean=mean, std=std).apply(variables, images)
  np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())

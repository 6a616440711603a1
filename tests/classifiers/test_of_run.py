"""A trained run as a function of images, and as one of JAX."""

import copy
import functools
import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import data, experiment, models, parallel
from apr_jax.classifiers.grad_cam import enlarge, grad_cam
from apr_jax.classifiers.interface import check_classifier
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.run import checkpoint, configuration


@pytest.fixture(scope="module")
def loaded(run):
  return apr_jax.load_classifier(run)


IMAGES = data.load("digits", "test").images[:20]


def test_logits_are_those_of_the_checkpoint(run, loaded):
  parts = experiment.build(configuration.read_config(run))
  with checkpoint.Checkpoints(run) as checkpoints:
    variables = checkpoints.restore_variables(
      lambda: parts.model.init(jax.random.key(5), jnp.zeros((1, 32, 32, 3)))
    )
  variables = jax.device_get(variables)
  expected = parts.model.apply(variables, jnp.asarray(IMAGES, jnp.float32) / 255, train=False)
  logits = loaded.logits(IMAGES)
  assert logits.dtype == np.float32 and logits.shape == (20, 10)
  np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
  assert (loaded.num_classes, loaded.image_size, loaded.step) == (10, (32, 32), 50)


def test_it_is_a_classifier_and_brings_what_its_evaluation_begins_with(run, loaded):
  assert check_classifier(loaded) is loaded
  config = configuration.read_config(run)
  assert (loaded.kind, loaded.workdir, loaded.seed, loaded.step) == ("run", run, 0, 50)
  assert loaded.config.to_dict() == config.to_dict() and loaded.name == run.name
  assert loaded.spec == models.NetworkSpec(
    config.model.name, 10, (32, 32), config.model.mean, config.model.std
  )
  assert loaded.defaults == {
    "data": "digits",
    "data_dir": "",
    "resize": 0,
    "download": False,
    "ood_sets": config.evaluation.ood_sets,
    "batch_size": config.evaluation.batch_size,
  }


def copy_of(run, folder, **changes):
  """A copy of the run, some of whose configuration is another."""
  shutil.copytree(run, folder)
  values = json.loads((folder / "config.json").read_text())
  (folder / "config.json").write_text(json.dumps(values | changes))
  return folder


def test_a_named_experiment_gives_its_name(run, tmp_path):
  assert LoadedClassifier(copy_of(run, tmp_path / "copy", name="mine")).name == "mine"


def test_nothing_of_the_training_is_asked_of_the_configuration(run, loaded, tmp_path):
  other = copy_of(run, tmp_path / "copy", augment={}, optimizer={"name": "unheard of"})
  np.testing.assert_array_equal(LoadedClassifier(other).logits(IMAGES), loaded.logits(IMAGES))


def test_a_configuration_without_the_network_is_one_line(run, tmp_path):
  model = json.loads((run / "config.json").read_text())["model"]
  not_filled_in = model | {"num_classes": 0, "image_size": [0, 0]}
  for number, values in enumerate(({"name": model["name"]}, not_filled_in)):
    lacking = copy_of(run, tmp_path / str(number), model=values)
    with pytest.raises(UserError, match="config.json is not one of this version: .*num_classes"):
      LoadedClassifier(lacking)


def test_the_checkpoint_says_whether_there_is_a_projection(run, tmp_path):
  config = configuration.read_config(run)
  spec = models.NetworkSpec(
    config.model.name, 10, (32, 32), config.model.mean, config.model.std, contrastive=True
  )
  model = spec.build()
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  random = np.random.default_rng(0)
  variables = jax.tree.map(lambda x: random.uniform(0.05, 0.2, x.shape).astype(np.float32), shapes)
  configuration.write_config(tmp_path, config)
  with checkpoint.Checkpoints(tmp_path) as writer:
    writer.save_variables(3, parallel.replicate(variables))
  contrastive = LoadedClassifier(tmp_path)
  assert contrastive.spec == spec and contrastive.step == 3
  expected = model.apply(variables, jnp.asarray(IMAGES, jnp.float32) / 255)
  np.testing.assert_allclose(contrastive.logits(IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_jax_logits_are_the_logits(loaded):
  floats = jnp.asarray(IMAGES, jnp.float32) / 255
  logits = jax.jit(loaded.jax_logits)(floats)
  assert logits.dtype == jnp.float32
  np.testing.assert_allclose(logits, loaded.logits(IMAGES), rtol=1e-4, atol=1e-4)
  one_by_one = jax.vmap(lambda image: loaded.jax_logits(image[None])[0])(floats[:3])
  np.testing.assert_allclose(one_by_one, logits[:3], rtol=1e-4, atol=1e-4)


def test_jax_logits_have_the_gradient_of_the_network(loaded):
  images = jnp.asarray(IMAGES[:2], jnp.float32) / 255

  def score(function, images):
    return jax.nn.log_softmax(function(images))[jnp.arange(2), jnp.array([3, 7])].sum()

  # As an argument, the function brings its parameters as leaves; closed over, as constants.
  gradient = jax.jit(jax.grad(score, argnums=1))(loaded.jax_logits, images)
  np.testing.assert_allclose(
    jax.jit(jax.grad(lambda images: score(loaded.jax_logits, images)))(images), gradient, atol=1e-5
  )
  assert len(jax.tree.leaves(loaded.jax_logits)) == len(jax.tree.leaves(loaded.variables))
  apply = experiment.build(loaded.config).model.apply
  expected = jax.grad(lambda x: score(lambda x: apply(loaded.variables, x, train=False), x))(images)
  np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)
  # A step of one level along the gradient raises the score by what the gradient says.
  step = gradient / jnp.abs(gradient).max() / 255
  rise = score(loaded.jax_logits, images + step) - score(loaded.jax_logits, images - step)
  np.testing.assert_allclose(rise, 2 * (gradient * step).sum(), rtol=0.05)


def test_weights_are_named_by_their_values(run, loaded):
  one_device = LoadedClassifier(run, devices=jax.devices()[:1])
  assert len(loaded.weights) == 16 and loaded.weights == one_device.weights
  assert loaded.weights == loaded.fingerprint
  variables = loaded.variables
  (kernel,) = (path for path, values in jax.tree.leaves_with_path(variables) if values.ndim == 2)
  first = jax.tree.leaves(variables["batch_stats"])[0]
  for change in (
    lambda path, values: np.nextafter(values, 9) if path == kernel else values,
    lambda path, values: values.T.copy().reshape(values.shape) if path == kernel else values,
    lambda path, values: (
      values + 1 if path[0].key == "batch_stats" and values.shape == first.shape else values
    ),
    lambda path, values: values.astype(np.float16),
  ):
    other = copy.copy(loaded)
    del other.__dict__["fingerprint"]
    other._variables = jax.device_put(jax.tree.map_with_path(change, variables))
    assert other.weights != loaded.weights


def test_probabilities_are_the_softmax_of_the_logits(loaded):
  logits = loaded.logits(IMAGES).astype(np.float64)
  probabilities = loaded.predict_proba(IMAGES)
  assert probabilities.dtype == np.float32
  np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
  expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  np.testing.assert_allclose(probabilities, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("devices, batch_size", [(1, 3), (2, 20), (4, 6)])
def test_devices_and_batch_size_change_nothing(run, loaded, devices, batch_size):
  other = LoadedClassifier(run, devices=jax.devices()[:devices], batch_size=batch_size)
  np.testing.assert_array_equal(other.logits(IMAGES), loaded.logits(IMAGES))


@pytest.mark.parametrize(
  "images",
  [
    IMAGES / 255,
    IMAGES.astype(np.int64),
    IMAGES[:, :16, :16],
    IMAGES[:, :, :31],
    IMAGES[0],
    IMAGES[..., :1],
    IMAGES[:0],
  ],
)
def test_other_images_are_refused(loaded, images):
  with pytest.raises(UserError) as error:
    loaded.logits(images)
  assert "images must be" in str(error.value) and str(list(images.shape)) in str(error.value)


def test_a_path_works_as_a_string_does(run, loaded):
  np.testing.assert_array_equal(
    apr_jax.load_classifier(pathlib.Path(run)).logits(IMAGES[:2]),
    apr_jax.load_classifier(str(run)).logits(IMAGES[:2]),
  )


def test_a_workdir_without_run_or_checkpoint_is_refused(run, tmp_path):
  with pytest.raises(UserError, match="holds no run"):
    apr_jax.load_classifier(tmp_path)
  shutil.copy(run / "config.json", tmp_path / "config.json")
  with pytest.raises(UserError, match="holds no checkpoint yet"):
    apr_jax.load_classifier(tmp_path)
  assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_grad_cam_is_that_of_the_network_at_the_size_of_the_images(run, loaded):
  small = LoadedClassifier(run, devices=jax.devices()[:1], batch_size=4)
  maps = small.grad_cam(IMAGES[:6])
  assert (
    maps.shape == (6, 32, 32) and maps.dtype == np.float32 and maps.min() >= 0 and maps.max() <= 1
  )
  assert maps.max() > 0.5
  apply = experiment.build(configuration.read_config(run)).model.apply
  expected = enlarge(
    jax.jit(functools.partial(grad_cam, apply))(
      small.variables, IMAGES[:6], loaded.logits(IMAGES[:6]).argmax(1)
    ),
    (32, 32),
  )
  np.testing.assert_allclose(maps, expected, atol=1e-4)
  other = small.grad_cam(IMAGES[:4], (loaded.logits(IMAGES[:4]).argmax(1) + 1) % 10)
  assert np.abs(other - maps[:4]).max() > 0.1


@pytest.mark.parametrize(
  "classes", [np.array([1, 10]), np.array([-1, 0]), np.array([1]), np.array([0.0, 1.0])]
)
def test_grad_cam_refuses_classes_that_do_not_fit(loaded, classes):
  with pytest.raises(UserError, match="classes must be 2 integers in 0..9, one per image"):
    loaded.grad_cam(IMAGES[:2], classes)


def test_the_first_layer_is_that_of_the_checkpoint(loaded):
  params, stats = loaded.variables["params"]["network"], loaded.variables["batch_stats"]["network"]
  np.testing.assert_array_equal(loaded.first_kernel, params["conv1"]["kernel"])
  scale = params["stage1_block1"]["bn1"]["scale"].astype(np.float64)
  variance = stats["stage1_block1"]["bn1"]["var"].astype(np.float64)
  np.testing.assert_allclose(loaded.first_gain, scale**2 / (variance + 1e-5), rtol=1e-5)


@pytest.mark.parametrize(
  "key, value", [("mean", [0.5, 0.5, 0.25]), ("dtype", "bfloat16"), ("name", "allconv")]
)
def test_a_configuration_that_is_not_that_of_the_checkpoint_is_refused(run, tmp_path, key, value):
  model = json.loads((run / "config.json").read_text())["model"]
  assert model[key] != value
  changed = copy_of(run, tmp_path / "copy", model=model | {key: value})
  with pytest.raises(UserError, match=f"config.json is damaged, or was changed: model.{key} is"):
    LoadedClassifier(changed)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run, tmp_path, capfd):
  copy = shutil.copytree(run, tmp_path / "copy")
  newest, before = (copy / "checkpoints" / step for step in ("50", "40"))
  shutil.rmtree(newest / "training")  # which no evaluation asks for
  assert LoadedClassifier(copy).step == 50
  file = next((newest / "model" / "d").iterdir())
  file.write_bytes(file.read_bytes()[:-1])
  assert LoadedClassifier(copy).step == 40
  (line,) = capfd.readouterr().err.splitlines()
  assert f"{newest} is damaged (model/d/{file.name} has " in line
  shutil.rmtree(before)
  with pytest.raises(UserError, match="no other is left, and nothing was deleted"):
    LoadedClassifier(copy)

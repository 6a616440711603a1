"""Checkpoints of PyTorch: in, evaluated, and out again bit by bit; what does not fit is one
line.
"""

import dataclasses
import hashlib
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import data, experiment, models, parallel
from apr_jax.classifiers.interface import ability, check_classifier
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.export_torch import export_checkpoint
from apr_jax.import_torch import import_checkpoint, read_state_dict
from apr_jax.models import torch_names
from apr_jax.run import checkpoint
from apr_jax.run.configuration import adopt_config, write_config
from apr_jax.run.network import read_import
from configs import base
from tests import lazy

torch, twins = map(lazy.needed, ("torch", "tests.models.torch_twins.zoo"))

ROOT = pathlib.Path(__file__).parents[1]
SMALL = "wide_resnet_10_1"


@pytest.fixture(scope="module")
def twin():
  return twins.make_twin(SMALL, 10)


@pytest.fixture
def file(tmp_path, twin):
  """Saves something, by default the twin's state dict, and returns the path."""

  def save(content=None, name="twin.pth"):
    torch.save(twin.state_dict() if content is None else content, tmp_path / name)
    return str(tmp_path / name)

  return save


@pytest.fixture(scope="module")
def imported(tmp_path_factory, twin):
  """The workdir of the twin, with the digits as data set."""
  folder = tmp_path_factory.mktemp("imported")
  torch.save(twin.state_dict(), folder / "twin.pth")
  import_checkpoint(SMALL, 10, str(folder / "twin.pth"), str(folder / "run"), data="digits")
  return folder / "run"


def arrays(state):
  return {
    key: value.numpy() for key, value in state.items() if not key.endswith("num_batches_tracked")
  }


def assert_same(found, expected):
  assert found.keys() == expected.keys()
  for key, value in expected.items():
    assert found[key].dtype == value.dtype == np.float32
    np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_the_workdir_is_a_classifier_with_pytorchs_logits(imported, twin):
  classifier = apr_jax.load_classifier(imported)
  images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
  spec = classifier.spec
  with torch.no_grad():
    expected = twin(twins.normalised(images.astype(np.float32) / 255, spec.mean, spec.std)).numpy()
  tolerance = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
  np.testing.assert_allclose(classifier.logits(images), expected, **tolerance)
  floats = jnp.asarray(images, jnp.float32) / 255
  np.testing.assert_allclose(classifier.jax_logits(floats), expected, **tolerance)
  assert (classifier.num_classes, classifier.image_size, spec.dtype) == (10, (32, 32), "float32")


def test_an_import_is_no_training(imported):
  classifier = check_classifier(apr_jax.load_classifier(imported))
  assert (classifier.kind, classifier.name) == ("import", f"{SMALL} of twin.pth")
  abilities = ("config", "workdir", "step", "seed")
  assert [ability(classifier, name) for name in abilities] == [None] * 4
  assert classifier.defaults == {
    "data": "digits",
    "resize": 0,
    "ood_sets": ("cifar100",),
  }
  assert {entry.name for entry in imported.iterdir()} == {"network.json", "checkpoints"}


def test_the_workdir_can_be_evaluated(imported, twin, tmp_path):
  classifier = apr_jax.load_classifier(imported)
  settings = Settings.of(classifier, limit=30)
  results = runner.evaluate(classifier, settings, ("clean",), tmp_path, quiet=True).results
  test = data.load("digits", "test", image_size=32)
  with torch.no_grad():
    floats = test.images[:30].astype(np.float32) / 255
    images = twins.normalised(floats, base.get_config().model.mean, base.get_config().model.std)
    correct = (twin(images).argmax(1).numpy() == test.labels[:30]).mean()
  assert results["clean"]["accuracy"] == pytest.approx(100 * correct)
  assert results["meta"]["classifier"]["kind"] == "import"
  assert "config" not in results["meta"]


def test_export_gives_back_what_was_imported(imported, twin, tmp_path):
  export_checkpoint(str(imported), str(tmp_path / "out.pth"))
  state = torch.load(tmp_path / "out.pth", weights_only=True)
  assert_same(arrays(state), arrays(twin.state_dict()))
  twins.make_twin(SMALL, 10, seed=5).load_state_dict(state, strict=True)
  import_checkpoint(SMALL, 10, str(tmp_path / "out.pth"), str(tmp_path / "again"))
  export_checkpoint(str(tmp_path / "again"), str(tmp_path / "again.pth"))
  assert_same(arrays(torch.load(tmp_path / "again.pth", weights_only=True)), arrays(state))


def test_a_contrastive_network_is_exported_without_its_projection(tmp_path):
  config = base.get_config()
  config.model.name, config.augment.simclr.views = SMALL, 2
  train = ArrayData(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int32), 10, "zeros")
  config = experiment.resolve(config, train)
  model = experiment.build(config).model
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  random = np.random.default_rng(0)
  variables = jax.tree.map(lambda x: random.uniform(0.05, 0.2, x.shape).astype(np.float32), shapes)
  adopt_config(tmp_path / "run", config)
  with checkpoint.Checkpoints(tmp_path / "run") as writer:
    writer.save_variables(3, parallel.replicate(variables))
  export_checkpoint(str(tmp_path / "run"), str(tmp_path / "out.pth"))
  twin = twins.make_twin(SMALL, 10)
  twin.load_state_dict(torch.load(tmp_path / "out.pth", weights_only=True), strict=True)
  images = random.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
  with torch.no_grad():
    expected = twin(
      twins.normalised(images.astype(np.float32) / 255, config.model.mean, config.model.std)
    ).numpy()
  logits = apr_jax.load_classifier(tmp_path / "run").logits(images)
  np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
  "name, settings",
  [
    (SMALL, {"kind": "modulation", "kernel_size": 7}),
    (SMALL, {"kind": "proportion", "proportion": (0.5, 0.25, 0.25)}),
    (SMALL, {"kind": "modulation", "kernel_size": 5, "modulation": "shared"}),
  ],
)
def test_a_first_layer_is_exported_as_its_kernel_and_comes_back(tmp_path, name, settings):
  config = base.get_config()
  config.model.name = name
  config.model.first_layer.update(settings)
  train = ArrayData(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int32), 10, "zeros")
  config = experiment.resolve(config, train)
  layer = experiment.build(config).model.first_layer
  twin, size = twins.make_twin(name, 10), layer.kernel_size or 3
  filters = twin.conv1.out_channels
  twin.conv1 = torch.nn.Conv2d(3, filters, size, padding=size // 2, bias=False)
  plain = dataclasses.replace(experiment.network_spec(config), first_layer=layer.folded()).build()
  template = jax.eval_shape(lambda: plain.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  variables = torch_names.to_variables(name, arrays(twin.state_dict()), template, "the twin")
  # The run: the twin's network, with coefficients and gains in place of the kernel.
  conv = variables["params"]["network"]["conv1"]
  random = np.random.default_rng(0)
  coefficients = np.asarray(layer.start(conv.pop("kernel")))
  conv["coefficients"] = coefficients
  logits_shape = layer.logits_shape(coefficients.shape)
  if logits_shape:
    conv["gain_logits"] = random.normal(size=logits_shape).astype(np.float32)
  adopt_config(tmp_path / "run", config)
  with checkpoint.Checkpoints(tmp_path / "run") as writer:
    writer.save_variables(3, parallel.replicate(variables))

  classifier = apr_jax.load_classifier(tmp_path / "run")
  kernel = np.asarray(layer.kernel(coefficients, conv.get("gain_logits")))
  found = classifier.variables["params"]["network"]["conv1"]
  assert found.keys() == {"kernel"}
  np.testing.assert_array_equal(found["kernel"], kernel)
  np.testing.assert_array_equal(classifier.first_kernel, kernel)
  assert classifier.first_gain.shape == (filters,)
  assert classifier.spec.first_layer == models.FirstLayer(kernel_size=layer.kernel_size)
  gains = classifier.first_layer_gains
  assert gains is None if layer.kind == "proportion" else gains.mean() == pytest.approx(1)

  export_checkpoint(str(tmp_path / "run"), str(tmp_path / "out.pth"))
  twin.load_state_dict(torch.load(tmp_path / "out.pth", weights_only=True), strict=True)
  np.testing.assert_array_equal(twin.conv1.weight.detach(), kernel.transpose(3, 2, 0, 1))
  images = random.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
  with torch.no_grad():
    floats = images.astype(np.float32) / 255
    expected = twin(twins.normalised(floats, config.model.mean, config.model.std)).numpy()
  tolerance = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
  np.testing.assert_allclose(classifier.logits(images), expected, **tolerance)

  given = {"first_kernel": layer.kernel_size} if layer.kernel_size else {}
  import_checkpoint(name, 10, str(tmp_path / "out.pth"), str(tmp_path / "again"), **given)
  again = apr_jax.load_classifier(tmp_path / "again")
  jax.tree.map(np.testing.assert_array_equal, again.variables, classifier.variables)
  assert again.spec.first_layer == classifier.spec.first_layer
  if given:
    with pytest.raises(UserError, match="misshapen: conv1.weight .* instead of .*3, 3, 3"):
      import_checkpoint(name, 10, str(tmp_path / "out.pth"), str(tmp_path / "other"))


@pytest.mark.parametrize(
  "wrap",
  [
    lambda state: {"state_dict": state},
    lambda state: {"net": state, "acc": 93.5, "epoch": 200},
    lambda state: {"model": state},
    lambda state: {"model": "wrn", "epoch": 3, "state_dict": state},
    lambda state: {f"module.{key}": value for key, value in state.items()},
    lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    lambda state: {
      key: torch.nn.Parameter(value, requires_grad=value.is_floating_point() and value.ndim > 1)
      if value.is_floating_point()
      else value
      for key, value in state.items()
    },
  ],
)
def test_wrapped_state_dicts_are_unwrapped(file, twin, wrap):
  state = read_state_dict(file(wrap(twin.state_dict())))
  assert_same(
    {key: value for key, value in state.items() if "num_batches" not in key},
    arrays(twin.state_dict()),
  )


def test_half_precision_becomes_float32(file, twin):
  for dtype in (torch.float16, torch.bfloat16):
    rounded = {key: value.to(dtype) for key, value in twin.state_dict().items()}
    state = read_state_dict(file(rounded))
    assert {value.dtype for value in state.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(state["fc.weight"], rounded["fc.weight"].float().numpy())


def changed(state, remove=(), **add):
  return {key: value for key, value in state.items() if key not in remove} | add


# {case: (state dict → what is saved, words of the line)}
BAD = {
  "missing": (lambda s: changed(s, ["fc.bias"]), ["1 missing: fc.bias"]),
  "unexpected": (lambda s: changed(s, extra=torch.ones(1)), ["1 unexpected: extra"]),
  "misshapen": (
    lambda s: changed(s, **{"fc.weight": torch.ones(100, 64)}),
    ["1 misshapen: fc.weight [100, 64] instead of [10, 64]", "number of classes"],
  ),
  "all three": (
    lambda s: changed(
      s, ["bn1.bias"], odd=torch.ones(1), **{"conv1.weight": torch.ones(3, 3, 3, 16)}
    ),
    ["missing: bn1.bias", "unexpected: odd", "misshapen: conv1.weight [3, 3, 3, 16]"],
  ),
  "another network": (
    lambda s: {f"layer{i}.weight": torch.ones(1) for i in range(50)},
    ["39 missing: ", "50 unexpected: layer0.weight, layer1.weight, layer2.weight and 47 more"],
  ),
  "no state dict": (
    lambda s: {"epoch": 3, "weights": s},
    ["holds no state dict", "dict of epoch, weights"],
  ),
  "a tensor": (lambda s: torch.ones(3), ["holds no state dict", "Tensor"]),
  "nothing": (lambda s: {}, ["holds no state dict"]),
  "numbers for names": (lambda s: {1: torch.ones(1)}, ["holds no state dict"]),
  "a whole network": (
    lambda s: twins.make_twin(SMALL, 10),
    ["cannot be read", "save its state dict alone"],
  ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_one_line_and_writes_nothing(file, twin, tmp_path, case):
  make, words = BAD[case]
  path = file(make(twin.state_dict()))
  with pytest.raises(UserError) as error:
    import_checkpoint(SMALL, 10, path, str(tmp_path / "run"))
  message = str(error.value)
  assert path in message and "\n" not in message and len(message) < 800
  assert all(word in message for word in words), message
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  "content", [b"", b"hello", b"PK\x03\x04" + bytes(50), bytes(range(256)) * 8]
)
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path, content):
  (tmp_path / "f.pth").write_bytes(content)
  with pytest.raises(UserError, match="f.pth cannot be read as a PyTorch checkpoint"):
    import_checkpoint(SMALL, 10, str(tmp_path / "f.pth"), str(tmp_path / "run"))


@pytest.mark.parametrize(
  "arguments, keywords, words",
  [
    (("resnext29", 10), {}, "unknown model 'resnext29'; did you mean 'resnext29_32x4'"),
    ((SMALL, 0), {}, "num_classes must be above 0, got 0"),
    ((SMALL, 10), {"mean": (0.5, 0.5)}, "three numbers"),
    ((SMALL, 10), {"std": (0.5, 0.5, 0.0)}, "above 0"),
    ((SMALL, 10), {"first_kernel": 4}, "first_kernel must be 0, or an odd number .*, got 4"),
  ],
)
def test_bad_arguments_are_one_line(file, tmp_path, arguments, keywords, words):
  with pytest.raises(UserError, match=words):
    import_checkpoint(*arguments, file(), str(tmp_path / "run"), **keywords)
  assert not (tmp_path / "run").exists()


def test_a_missing_file_and_a_missing_library_are_one_line(file, tmp_path, monkeypatch):
  with pytest.raises(UserError, match="no checkpoint file .*none.pth"):
    import_checkpoint(SMALL, 10, str(tmp_path / "none.pth"), str(tmp_path / "run"))
  path = file()
  monkeypatch.setitem(sys.modules, "torch", None)
  with pytest.raises(UserError, match=r"pip install -e '\.\[torch\]'"):
    import_checkpoint(SMALL, 10, path, str(tmp_path / "run"))


def snapshot(folder):
  return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_workdir_that_holds_a_run_is_refused(file, imported, tmp_path):
  before = snapshot(imported)
  with pytest.raises(UserError, match="holds a run already"):
    import_checkpoint(SMALL, 10, file(), str(imported))
  (tmp_path / "run").mkdir()
  write_config(tmp_path / "run", base.get_config())
  with pytest.raises(UserError, match="holds a run already"):
    import_checkpoint(SMALL, 10, file(), str(tmp_path / "run"))
  (tmp_path / "old" / checkpoint.FOLDER / "3").mkdir(parents=True)
  with pytest.raises(UserError, match="holds a run already"):
    import_checkpoint(SMALL, 10, file(), str(tmp_path / "old"))
  assert snapshot(imported) == before


def test_training_does_not_take_the_workdir_for_its_own(imported):
  with pytest.raises(UserError, match="holds an imported network, .*; use another --workdir"):
    adopt_config(imported, base.get_config())


def test_an_import_that_was_killed_is_made_again(file, tmp_path, imported):
  (tmp_path / "run").mkdir()
  (tmp_path / "run" / "network.json").write_bytes((imported / "network.json").read_bytes())
  with pytest.raises(UserError, match="holds no checkpoint yet: .*; import it again"):
    apr_jax.load_classifier(tmp_path / "run")
  import_checkpoint(SMALL, 10, file(), str(tmp_path / "run"))
  assert apr_jax.load_classifier(tmp_path / "run").defaults["data"] == "cifar10"


@pytest.mark.parametrize(
  "model, classes, expected",
  [
    (SMALL, 10, ("cifar10", (0.2023, 0.1994, 0.2010), (32, 32), ("cifar100",))),
    (SMALL, 100, ("cifar100", (0.2023, 0.1994, 0.2010), (32, 32), ("cifar10",))),
    (SMALL, 5, ("", (0.2023, 0.1994, 0.2010), (32, 32), ("cifar100",))),
    ("resnet50", 3, ("imagenet2012", (0.229, 0.224, 0.225), (224, 224), ("cifar100",))),
  ],
)
def test_what_is_written_is_complete_and_fits_the_network(file, tmp_path, model, classes, expected):
  path = file(twins.make_twin(model, classes).state_dict())
  imported = import_checkpoint(model, classes, path, str(tmp_path / "run"))
  assert read_import(tmp_path / "run") == imported
  network, brought = imported.network, imported.data
  assert (brought["data"], network.std, network.image_size, brought["ood_sets"]) == expected
  assert (network.name, network.num_classes, network.dtype) == (model, classes, "float32")
  assert brought["resize"] == (256 if model == "resnet50" else 0)
  assert imported.source == "twin.pth"
  assert imported.sha256 == hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
  assert checkpoint.exists(tmp_path / "run")


def test_export_refuses_what_it_cannot_do(imported, tmp_path):
  for workdir, name, words in [
    (tmp_path / "none", "out.pth", "holds no run"),
    (imported, "no/folder/out.pth", "cannot be written"),
  ]:
    with pytest.raises(UserError, match=words):
      export_checkpoint(str(workdir), str(tmp_path / name))
  (tmp_path / "there.pth").write_text("precious")
  with pytest.raises(UserError, match="exists already"):
    export_checkpoint(str(imported), str(tmp_path / "there.pth"))
  assert (tmp_path / "there.pth").read_text() == "precious"


def test_the_commands(file, imported, twin, tmp_path, forks):
  path = file()
  commands = [
    [
      "import_torch",
      f"--model={SMALL}",
      "--num-classes",
      "10",
      f"--checkpoint={path}",
      f"--workdir={tmp_path / 'run'}",
      "--std=0.2,0.3,0.25",
    ],
    [
      "import_torch",
      f"--model={SMALL}",
      "--num_classes=10",
      f"--checkpoint={path}x",
      f"--workdir={tmp_path / 'other'}",
    ],
    ["export_torch", f"--workdir={imported}", f"--checkpoint={tmp_path / 'out.pth'}"],
  ]
  running = [
    forks.start(["-m", f"apr_jax.{module}", *arguments], cwd=tmp_path)
    for module, *arguments in commands
  ]
  outputs = [process.communicate(timeout=120) for process in running]
  assert [process.returncode for process in running] == [0, 2, 0], outputs
  assert f"{SMALL} with 10 classes" in outputs[0][0] and "(0.2, 0.3, 0.25)" in outputs[0][0]
  assert outputs[1] == (
    "",
    f"error: there is no checkpoint file {path}x; give its path with --checkpoint\n",
  )
  written = json.loads((tmp_path / "run" / "network.json").read_text())
  assert written["network"]["std"] == [0.2, 0.3, 0.25]
  assert_same(
    arrays(torch.load(tmp_path / "out.pth", weights_only=True)), arrays(twin.state_dict())
  )

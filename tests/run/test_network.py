"""`network.json` of an import: written, read, and refused where it is damaged."""

import dataclasses
import json

import pytest

from apr_jax.errors import UserError
from apr_jax.models import FirstLayer, NetworkSpec
from apr_jax.run import configuration
from apr_jax.run.network import Import, is_import, read_import, spec_of_run, write_import
from configs import base

SPEC = NetworkSpec(
  "wide_resnet_10_1", 10, (32, 24), (0.5, 0.4, 1 / 3), (0.25, 0.2, 0.1), "float32", True
)
DATA = {"data": "cifar10", "resize": 0, "ood_sets": ("cifar100", "svhn")}
IMPORT = Import(SPEC, DATA, "F.pth", "9f86")


def test_what_is_written_is_read(tmp_path):
  assert not is_import(tmp_path)
  write_import(tmp_path / "run", IMPORT)
  assert is_import(tmp_path / "run") and read_import(tmp_path / "run") == IMPORT
  assert [entry.name for entry in (tmp_path / "run").iterdir()] == [configuration.IMPORT]
  assert json.loads((tmp_path / "run" / "network.json").read_text())["kind"] == "import"


def test_the_kernel_of_the_first_layer_is_a_number_and_may_be_left_out(tmp_path):
  larger = dataclasses.replace(SPEC, first_layer=FirstLayer(kernel_size=7))
  write_import(tmp_path, dataclasses.replace(IMPORT, network=larger))
  assert read_import(tmp_path).network == larger
  path = tmp_path / "network.json"
  values = json.loads(path.read_text())
  assert values["network"].pop("first_kernel") == 7
  path.write_text(json.dumps(values))  # as an import of before the key
  assert read_import(tmp_path) == IMPORT


def changed(**changes):
  def change(values):
    for key, value in changes.items():
      section, _, name = key.partition("__")
      target = values[section] if name else values
      if value is None:
        del target[name or section]
      else:
        target[name or section] = value
    return json.dumps(values)

  return change


# {case: (values → the text of the file, words of the line)}
DAMAGED = {
  "half": (lambda values: json.dumps(values)[:40], "cannot be read: "),
  "a list": (lambda values: "[]", "must be a section with keys"),
  "of another kind": (changed(kind="run"), "kind must be import, got 'run'"),
  "no network": (changed(network=None), "it lacks network"),
  "a network that is none": (changed(network=[]), "network must be a section with keys"),
  "a missing key": (
    changed(network__mean=None, network__std=None),
    "lacks network.mean, network.std",
  ),
  "an unknown key": (changed(network__depth=3), "unknown key 'network.depth'"),
  "an unknown network": (
    changed(network__name="vgg"),
    "network.name must be one of allconv, .*'vgg'",
  ),
  "a network that is a list": (changed(network__name=["allconv"]), "network.name must be one of"),
  "classes": (
    changed(network__num_classes=0),
    "network.num_classes must be a number above 0, got 0",
  ),
  "classes by name": (changed(network__num_classes="10"), "network.num_classes must be"),
  "size": (changed(network__image_size=32), "network.image_size must be height and width"),
  "sizes": (changed(network__image_size=[32, 0]), "network.image_size must be height and width"),
  "mean": (changed(network__mean=[0.5, 0.5]), "network.mean must be three numbers"),
  "std": (changed(network__std=[0.5, 0.5, 0]), "network.std must be three numbers above 0"),
  "dtype": (changed(network__dtype="float64"), "network.dtype must be one of float32, bfloat16"),
  "contrastive": (changed(network__contrastive=1), "network.contrastive must be true or false"),
  "kernel": (changed(network__first_kernel=4), "network.first_kernel must be 0, or an odd number"),
  "kernel by name": (changed(network__first_kernel="7"), "network.first_kernel must be 0, or"),
  "an unknown setting": (changed(data__limit=3), "unknown key 'data.limit'"),
  "sets": (changed(data__ood_sets="svhn"), "data.ood_sets must be a list of names"),
  "source": (changed(source=3), "source must be a text"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_line(tmp_path, case):
  damage, words = DAMAGED[case]
  write_import(tmp_path, IMPORT)
  path = tmp_path / "network.json"
  path.write_text(damage(json.loads(path.read_text())))
  with pytest.raises(UserError, match=words) as error:
    read_import(tmp_path)
  message = str(error.value)
  assert str(path) in message and "\n" not in message
  assert message.endswith("import the network again into another folder")


def test_a_missing_file_and_a_folder_that_cannot_be_written_are_one_line(tmp_path):
  with pytest.raises(UserError, match="network.json cannot be read: .*No such file"):
    read_import(tmp_path)
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="the workdir .*file cannot be written"):
    write_import(tmp_path / "file", IMPORT)


def test_no_training_takes_the_folder_for_its_own(tmp_path):
  write_import(tmp_path, IMPORT)
  with pytest.raises(UserError, match="holds an imported network, .*; use another --workdir"):
    configuration.check_config(tmp_path, base.get_config())
  with pytest.raises(UserError, match="holds no run: .*give the --workdir of a training"):
    configuration.read_config(tmp_path)


def test_the_network_of_a_training_is_what_its_configuration_says():
  config = base.get_config()
  model = config.model
  model.name, model.num_classes, model.image_size = SPEC.name, SPEC.num_classes, SPEC.image_size
  model.mean, model.std, model.dtype = SPEC.mean, SPEC.std, SPEC.dtype
  for contrastive in (False, True):
    expected = dataclasses.replace(SPEC, contrastive=contrastive)
    assert spec_of_run(config, contrastive) == expected
  model.first_layer.update(kind="proportion", proportion=(0.5, 0.5, 0.0), kernel_size=7)
  layer = FirstLayer(kind="proportion", proportion=(0.5, 0.5, 0.0), kernel_size=7)
  assert spec_of_run(config, True) == dataclasses.replace(SPEC, first_layer=layer)
  assert spec_of_run(config, True).folded().first_layer == FirstLayer(kernel_size=7)

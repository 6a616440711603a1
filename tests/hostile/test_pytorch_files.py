"""Files that are not PyTorch's parameters of the network: one line, exit code 2, no code of theirs
runs, and no file is another afterwards.
"""

import pickle

import pytest

from tests.hostile.planted import Code


def torch_file(kind):
  torch = pytest.importorskip("torch")
  import io

  file = io.BytesIO()
  tensor = torch.zeros(3)
  values = {
    "code": Code(),
    "code in a state dict": {"fc.weight": Code()},
    "a tensor": tensor,
    "a list": [tensor],
    "numbers": {"fc.weight": 3},
    "an empty dict": {},
    "keys that are numbers": {0: tensor},
    "other parameters": {"fc.weight": tensor},
    "a nested pickle": {"state_dict": pickle.dumps(Code())},
    "a function": {"fc.weight": print},
  }
  torch.save(values[kind], file)
  return file.getvalue()


TORCH = {
  **{
    kind: lambda kind=kind: torch_file(kind)
    for kind in (
      "code",
      "code in a state dict",
      "a tensor",
      "a list",
      "numbers",
      "an empty dict",
      "keys that are numbers",
      "other parameters",
      "a nested pickle",
      "a function",
    )
  },
  "nothing": lambda: b"",
  "text": lambda: b"text",
  "a pickle": lambda: pickle.dumps(Code()),
  "an old pickle": lambda: pickle.dumps(Code(), 0),
  "half": lambda: torch_file("other parameters")[:200],
  "an archive without members": lambda: b"PK\x05\x06" + bytes(18),
  "an array": lambda: b"\x93NUMPY\x01\x00" + bytes(50),
}


@pytest.mark.parametrize("case", TORCH)
def test_a_pytorch_file_is_refused(refused, tmp_path, case):
  pytest.importorskip("torch")
  (tmp_path / "given.pth").write_bytes(TORCH[case]())
  command = [
    *("apr_jax/import_torch.py", "--model=allconv", "--num-classes=10"),
    *("--checkpoint=given.pth", "--workdir=run"),
  ]
  refused(command, ["given.pth"])

"""Writes the files beside it: every dependency at one version, with the hashes of its files.

    make lock    # the newest versions that setup.cfg and pyproject.toml allow

base.txt is what the package needs, and each other file what extras of setup.cfg add to it. All come
from one resolution, for Python 3.11 and later and any system, so that one environment takes all of
them in any order. build.txt builds the package, and those of the others that are sources alone.
What `make` does not install has no lock: JAX for GPUs and TPUs, PyTorch, and the extras for stores
and videos.

It needs uv, which `make lock` installs, and the index that uv is told to use; no file names one.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
# {file: the extras of setup.cfg that it adds to the package}
EXTRAS: dict[str, tuple[str, ...]] = {
  "base": (),
  "docs": ("docs",),
  "lint": ("lint",),
  "supply": ("supply",),
  "test": ("test", "tensorflow"),
}
OLDEST_PYTHON = "3.11"


def main() -> None:
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = folder / "build.in"
    build.write_text("\n".join(project["build-system"]["requires"]))
    everything = folder / "everything.txt"
    extras = tuple(extra for names in EXTRAS.values() for extra in names)
    everything.write_text(_resolved("setup.cfg", str(build), *_flags(extras)))
    # Of each part what it needs, at the version that suits all parts.
    same = ("--constraint", str(everything), "--generate-hashes")
    base = _pins(_resolved("setup.cfg", *same))
    pins = _pins(_resolved(str(build), *same))
    _write("build", pins.values(), "what builds the package", "pyproject.toml")
    for file, names in EXTRAS.items():
      pins = _pins(_resolved("setup.cfg", *same, *_flags(names)))
      if file == "base":
        _write(file, pins.values(), "what the package needs")
      else:
        more = [pin for line, pin in pins.items() if line not in base]
        what = " and ".join(f"`{extra}`" for extra in names)
        _write(file, ["-r base.txt\n", *more], f"what the package needs, with {what}")


def _flags(extras: tuple[str, ...]) -> list[str]:
  return [f"--extra={extra}" for extra in extras]


def _resolved(*arguments: str) -> str:
  """What `uv pip compile` prints; the newest versions that suit all Pythons alike."""
  command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
  command += ["--fork-strategy=fewest", f"--python-version={OLDEST_PYTHON}"]
  command += ["--no-emit-index-url", "--no-header", *arguments]
  result = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False)
  if result.returncode:
    sys.exit(result.returncode)
  return result.stdout


def _pins(text: str) -> dict[str, str]:
  """{"name==version", with its marker: its lines}, with the places of temporary files left out."""
  text = re.sub(r"^ +#   -c .*\n", "", text, flags=re.MULTILINE)
  text = re.sub(r"-r \S*build\.in", "pyproject.toml", text)
  blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
  return {block.split(" \\\n")[0]: block for block in blocks}


def _write(file: str, blocks: Iterable[str], what: str, source: str = "setup.cfg") -> None:
  header = (
    f"# The versions and hashes of {what}; see {source}.\n"
    "# `make lock` writes this file again, with the newest versions that are allowed.\n"
  )
  (HERE / f"{file}.txt").write_text(header + "".join(blocks), encoding="utf-8")


if __name__ == "__main__":
  main()

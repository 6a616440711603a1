"""The files of requirements/: what setup.cfg asks for, at one version and by its hash."""

import configparser
import functools
import pathlib
import re
import tomllib
from email.message import Message

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements import licences
from requirements.lock import EXTRAS

ROOT = pathlib.Path(__file__).parents[1]
LINE = r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; [^#@]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*"


@functools.cache
def entries(file):
  """The requirements of a file and of those that it includes, each with its hashes."""
  found = []
  text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
  text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
  for line in text.splitlines():
    included = re.fullmatch(r"-r (\w+)\.txt", line)
    if included:
      found += entries(included[1])
    else:
      found.append(line)
  return found


def pins(file, environment):
  """{name: versions} that are installed there."""
  found = {}
  for line in entries(file):
    requirement = Requirement(re.split(r"\s--hash", line)[0])
    if not requirement.marker or requirement.marker.evaluate(environment):
      versions = found.setdefault(canonicalize_name(requirement.name), set())
      versions.update(specifier.version for specifier in requirement.specifier)
  return found


def asked(text):
  lines = [line.strip() for line in text.splitlines()]
  return [Requirement(line) for line in lines if line and not line.startswith("#")]


def settings():
  parser = configparser.ConfigParser()
  parser.read(ROOT / "setup.cfg", encoding="utf-8")
  return parser


def environments():
  """Of the Pythons that setup.cfg names, on Linux and macOS."""
  pythons = re.findall(r"Python :: (3\.\d+)$", settings()["metadata"]["classifiers"], re.MULTILINE)
  for python in pythons:
    for system, platform in (("Linux", "linux"), ("Darwin", "darwin")):
      yield default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_system": system,
        "sys_platform": platform,
        "extra": "",
      }


@pytest.mark.parametrize("file", ["build", *EXTRAS])
def test_each_line_is_one_version_and_its_hashes(file):
  found = entries(file)
  assert found
  for line in found:
    assert re.fullmatch(LINE, line), line


@pytest.mark.parametrize("file", ["build", *EXTRAS])
def test_no_file_names_an_index(file):
  text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
  assert "://" not in text and not re.search(r"^\s*(-i|-f|--(extra-)?index|--find)", text, re.M)


@pytest.mark.parametrize("file", EXTRAS)
def test_what_setup_cfg_asks_for_is_there_at_an_allowed_version(file):
  parser = settings()
  wanted = parser["options"]["install_requires"]
  for extra in EXTRAS[file]:
    wanted += "\n" + parser["options.extras_require"][extra]
  for environment in environments():
    there = pins(file, environment)
    for requirement in asked(wanted):
      if requirement.marker and not requirement.marker.evaluate(environment):
        continue
      (version,) = there[canonicalize_name(requirement.name)]
      assert requirement.specifier.contains(version), (file, str(requirement), version)


def test_what_builds_the_package_is_pinned():
  project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
  there = pins("build", default_environment())
  for requirement in map(Requirement, project["build-system"]["requires"]):
    (version,) = there[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


def test_all_files_fit_into_one_environment():
  for environment in environments():
    versions = {}
    for file in ("build", *EXTRAS):
      for name, pinned in pins(file, environment).items():
        versions.setdefault(name, set()).update(pinned)
    assert len(versions) > 150
    assert {name: pinned for name, pinned in versions.items() if len(pinned) != 1} == {}


def test_make_installs_each_file():
  rules = (ROOT / "Makefile").read_text(encoding="utf-8")
  assert "--require-hashes --requirement $<" in rules
  assert set(re.findall(r"^[a-z-]+: \.venv/(\w+)$", rules, re.MULTILINE)) == EXTRAS.keys()


def test_the_page_of_licences_has_what_is_pinned():
  page = licences.PAGE.read_text(encoding="utf-8")
  rows = re.findall(r"^\| (\S+) \| (.+) \| ([a-z., ]+\.txt) \|$", page, re.MULTILINE)
  assert {name: where.split(", ") for name, _, where in rows} == licences.pinned()


@pytest.mark.parametrize(
  "fields, expected",
  [
    ({"License-Expression": "MIT OR Apache-2.0", "License": "MIT"}, "MIT OR Apache-2.0"),
    ({"License": "Apache 2.0", "Classifier": "License :: OSI Approved :: X"}, "Apache-2.0"),
    ({"License": "MIT License\n\nPermission is granted"}, "MIT"),
    ({"License": "Copyright\nmany", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD"),
    ({"License": "UNKNOWN", "Classifier": "Topic :: Internet"}, licences.SILENT),
    ({}, licences.SILENT),
  ],
)
def test_a_licence_is_what_the_metadata_say(fields, expected):
  metadata = Message()
  for name, value in fields.items():
    metadata[name] = value
  assert licences.said_in(metadata) == expected


def test_what_is_not_installed_cannot_be_asked():
  assert licences.licence_of("no-such-distribution") == licences.NOT_HERE

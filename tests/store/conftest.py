"""A bucket of Google Cloud Storage that is a program on this machine."""

import os
import pathlib
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def _server() -> Iterator[None]:
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  address = f"http://localhost:{port}"
  # The first is gcsfs's, the second TensorStore's, through which Orbax writes; the third spares
  # gcsfs the question of the bucket's kind, which the emulator cannot answer. It answers one
  # request at a time, and lets few wait.
  given = {
    "STORAGE_EMULATOR_HOST": address,
    "TENSORSTORE_GCS_HTTP_URL": address,
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    "TENSORSTORE_GCS_REQUEST_CONCURRENCY": "2",
  }
  before = {name: os.environ.get(name) for name in given}
  os.environ.update(given)  # before gcsfs is imported, which reads the third
  pytest.importorskip("gcsfs", reason="the extra gcs is not installed")
  pytest.importorskip("gcp_storage_emulator", reason="the emulator is missing")
  server = subprocess.Popen(
    [sys.executable, str(pathlib.Path(__file__).with_name("server.py")), str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  while True:
    try:
      socket.create_connection(("localhost", port)).close()
      break
    except OSError:
      assert server.poll() is None, "the emulator has ended"
      time.sleep(0.1)
  yield
  server.kill()
  server.wait()
  for name, value in before.items():
    os.environ.pop(name)
    if value is not None:
      os.environ[name] = value


@pytest.fixture
def bucket(_server) -> str:
  """The address of a folder in it that nothing lies in, "gs://bkt/..."."""
  return f"gs://bkt/{uuid.uuid4().hex}"

"""A bucket of Google Cloud Storage that is a program on this machine."""

import os
import socket
import uuid
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def _server() -> Iterator[None]:
  pytest.importorskip("gcsfs", reason="the extra gcs is not installed")
  emulator = pytest.importorskip("gcp_storage_emulator.server", reason="the emulator is missing")
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  address = f"http://localhost:{port}"
  # The first is gcsfs's, the second TensorStore's, through which Orbax writes; the third spares
  # gcsfs the question of the bucket's kind, which the emulator cannot answer.
  given = {
    "STORAGE_EMULATOR_HOST": address,
    "TENSORSTORE_GCS_HTTP_URL": address,
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
  }
  before = {name: os.environ.get(name) for name in given}
  os.environ.update(given)
  server = emulator.create_server("localhost", port, in_memory=True, default_bucket="bkt")
  server.start()
  yield
  server.stop()
  for name, value in before.items():
    os.environ.pop(name)
    if value is not None:
      os.environ[name] = value


@pytest.fixture
def bucket(_server) -> str:
  """The address of a folder in it that nothing lies in, "gs://bkt/..."."""
  return f"gs://bkt/{uuid.uuid4().hex}"

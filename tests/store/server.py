"""A stand-in for Google Cloud Storage: `python server.py PORT` serves the empty bucket "bkt".

It is gcp-storage-emulator with what that program lacks.

Generations of objects: the store names an object's generation when it is read, and answers a
request on condition of one with 412, or 304, if the condition does not hold. TensorStore writes the
index of a checkpoint so, each time on condition that nobody else has; without an answer's
generation it gives up whenever it reads an index that it has written itself.

Moves: gcsfs asks the store to move an object, and where that is not known asks again for half a
minute before it copies.
"""

import sys
import time
from http import HTTPStatus

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

GENERATION = "x-goog-generation"


def _generation(storage, bucket, name):
  """The object's, and "0" if there is none, which is what a condition says then."""
  try:
    return storage.get_file_obj(bucket, name)["generation"]
  except NotFound:
    return "0"


def _on_condition(handler, name_of):
  def handle(request, response, storage, *args, **kwargs):
    bucket, name = request.params["bucket_name"], name_of(request)
    there = _generation(storage, bucket, name)
    if request.query.get("ifGenerationMatch", [there])[0] != there:
      response.status = HTTPStatus.PRECONDITION_FAILED
    elif request.query.get("ifGenerationNotMatch", [None])[0] == there:
      response.status = HTTPStatus.NOT_MODIFIED
    else:
      handler(request, response, storage, *args, **kwargs)
      if (now := _generation(storage, bucket, name)) != "0":
        response[GENERATION] = now

  return handle


def _of_path(request):
  return request.params["object_id"]


def _of_upload(request):
  return request.query.get("name", [""])[0]


def move(request, response, storage):
  """Objects: moveTo, as in Google's JSON API."""
  bucket, name = request.params["bucket_name"], request.params["object_id"]
  target = request.params["target"]
  try:
    there = {"name": target, "generation": str(time.time_ns())}
    moved = storage.get_file_obj(bucket, name) | there
    storage.create_file(bucket, target, storage.get_file(bucket, name), moved)
    storage.delete_file(bucket, name)
  except NotFound:
    response.status = HTTPStatus.NOT_FOUND
  else:
    response.json(moved)


MOVE = r"^/storage/v1/b/(?P<bucket_name>[-.\w]+)/o/(?P<object_id>[^/]+)/moveTo/o/(?P<target>[^/]+)$"

objects.get = _on_condition(objects.get, _of_path)
objects.delete = _on_condition(objects.delete, _of_path)
objects.insert = _on_condition(objects.insert, _of_upload)

if __name__ == "__main__":
  # Its table of handlers is made when it is imported.
  from gcp_storage_emulator import server

  server.HANDLERS = ((MOVE, {server.POST: move}), *server.HANDLERS)
  server.create_server("localhost", int(sys.argv[1]), in_memory=True, default_bucket="bkt").run()

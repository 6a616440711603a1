"""The stand-in itself: generations, and requests on condition of one, as TensorStore makes them;
moves, as gcsfs asks for them.
"""

import tensorstore as ts

from apr_jax import files


def opened(bucket):
  spec = {"driver": "gcs", "bucket": "bkt", "path": bucket.removeprefix("gs://bkt/") + "/"}
  return ts.KvStore.open(spec).result()


def test_what_is_read_may_be_written_on_condition_that_nobody_else_has(bucket):
  store = opened(bucket)
  first = store.write("index", b"one").result()
  read = store.read("index").result()
  assert read.value == b"one" and read.stamp.generation == first.generation
  second = store.write("index", b"two", if_equal=read.stamp.generation).result()
  assert second.generation not in (b"", first.generation)
  # A condition that no longer holds: nothing is written, and the generation is unknown.
  assert store.write("index", b"three", if_equal=first.generation).result().generation == b""
  assert store.read("index").result().value == b"two"
  unchanged = store.read("index", if_not_equal=second.generation).result()
  assert unchanged.state == "unspecified"


def test_what_is_not_there_may_be_written_once(bucket):
  store = opened(bucket)
  nothing = store.read("lock").result()
  assert nothing.state == "missing"
  assert store.write("lock", b"mine", if_equal=nothing.stamp.generation).result().generation
  assert store.write("lock", b"yours", if_equal=nothing.stamp.generation).result().generation == b""
  assert store.read("lock").result().value == b"mine"


def test_an_object_is_moved_at_once(bucket, caplog):
  store = files.store()
  store.pipe_file(f"{bucket}/a/old", b"content")
  store.mv(f"{bucket}/a", f"{bucket}/b", recursive=True)
  assert store.find(bucket) == [f"{bucket}/b/old".removeprefix("gs://")]
  assert store.cat_file(f"{bucket}/b/old") == b"content"
  assert not caplog.records  # gcsfs would say that it copies because the store moves nothing

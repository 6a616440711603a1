"""Image data sets by name, in memory or as streams.

    from apr_jax import data
    train = data.load("cifar10", "train", data_dir="~/tensorflow_datasets")
    train.images    # uint8 [50000, 32, 32, 3]
    train.labels    # int32 [50000]

`names.DataName` takes a name apart, and `sources` says what reads each kind. `resident` batches a
data set that lives on the device, `stream` one that is read from disk as it is needed. Importing
this package imports neither TensorFlow nor scikit-learn.
"""

from apr_jax.data.array_data import ArrayData
from apr_jax.data.names import KINDS, WITH_PATH, DataName
from apr_jax.data.sources import SOURCES, load, open_stream, source_of
from apr_jax.data.stream import ImageStream

__all__ = [
  "KINDS",
  "SOURCES",
  "WITH_PATH",
  "ArrayData",
  "DataName",
  "ImageStream",
  "load",
  "open_stream",
  "source_of",
]

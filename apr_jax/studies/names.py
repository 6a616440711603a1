"""The studies by name."""

from collections.abc import Mapping

from apr_jax.studies.bands import TrainedOnBands
from apr_jax.studies.labels import TwoLabelCurves
from apr_jax.studies.modulation import Modulation
from apr_jax.studies.proportion import FilterProportion
from apr_jax.studies.study import Study
from apr_jax.studies.swap import SwapGallery
from apr_jax.studies.templates import Templates
from apr_jax.studies.tsne import HighAmplitude

STUDIES: Mapping[str, type[Study]] = {
  "bands": TrainedOnBands,
  "tsne": HighAmplitude,
  "templates": Templates,
  "labels": TwoLabelCurves,
  "swap": SwapGallery,
  "proportion": FilterProportion,
  "modulation": Modulation,
}

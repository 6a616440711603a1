"""How often a property is tried: the same examples each time, and no limit on a slow machine."""

import hypothesis

hypothesis.settings.register_profile(
  "suite", deadline=None, derandomize=True, max_examples=40, database=None
)
hypothesis.settings.load_profile("suite")

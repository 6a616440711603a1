"""The notebook runs from top to bottom, with fewer steps and one corruption."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.docs.conftest import ROOT, cells_of

NOTEBOOK = ROOT / "docs" / "notebooks" / "amplitude_and_phase.ipynb"
SMALLER = {
  "STEPS, BATCH = 300, 64": "STEPS, BATCH = 3, 16",
  '("fog", "contrast", "brightness", "impulse_noise", "motion_blur")': '("brightness",)',
}


@pytest.mark.slow
def test_the_notebook_runs(run_blocks, monkeypatch):
  mpl.use("Agg")
  shown = []
  monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()) or plt.close("all"))
  text = NOTEBOOK.read_text(encoding="utf-8")
  cells = []
  for language, code, line in cells_of(text):
    for large, small in SMALLER.items():
      code = code.replace(large, small)
    cells.append((language, code, line))
  assert all(any(small in code for _, code, _ in cells) for small in SMALLER.values())
  found = run_blocks(cells)
  assert len(shown) == 7 and all(shown)
  assert found["errors"].keys() == {"standard", "APR-SP"} and len(found["sets"]) == 2
  amplitude, phase = np.asarray(found["amplitude"]), np.asarray(found["phase"])
  back = np.fft.ifft2(amplitude * np.exp(1j * phase), axes=(0, 1)).real
  np.testing.assert_allclose(back, found["temple"], atol=1e-4)

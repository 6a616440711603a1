"""The first screen of the demo's comparison, as a browser shows it on a light and on a dark system.

    make demo
    python docs/figures/draw_report.py runs/demo

Needs Chromium.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from canvas import FOLDER
from PIL import Image

SIZE = (1080, 985)
# What the browser takes for the system's choice.
SCHEMES = {"light": 1, "dark": 0}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(folder: pathlib.Path) -> None:
  browser = next(filter(None, map(shutil.which, BROWSERS)))
  for theme, scheme in SCHEMES.items():
    with tempfile.TemporaryDirectory() as scratch:
      picture = pathlib.Path(scratch) / "page.png"
      command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={scratch}",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--window-size={SIZE[0]},{SIZE[1]}",
        f"--screenshot={picture}",
        (folder / "compare.html").absolute().as_uri(),
      ]
      subprocess.run(command, check=True, capture_output=True, timeout=120)
      with Image.open(picture) as image:
        few = image.convert("RGB").quantize(64)
    path = FOLDER / f"report-{theme}.png"
    few.save(path, optimize=True)
    print(f"{path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))

"""Every link of the documents leads to a file, and every anchor to a heading."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
# Pages that the site makes, which are no files.
MADE = {ROOT / "docs" / "reference" / "keys.md"}
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def plain(page: pathlib.Path) -> str:
  """The text without code."""
  text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
  return re.sub(r"`[^`\n]*`", "", text)


def anchor(title: str) -> str:
  """The anchor of a heading, as the hosts of repositories and the site make it."""
  words = re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower()
  return re.sub(r"\s", "-", words)


def anchors(page: pathlib.Path) -> set[str]:
  text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
  return {anchor(title) for title in re.findall(r"^#+ (.*)$", text, flags=re.M)}


def links(page: pathlib.Path) -> list[str]:
  found = [one or other for one, other in _LINK.findall(plain(page))]
  return [link for link in found if not re.match(r"https?:|data:|mailto:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
  for link in links(page):
    path, _, name = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if target in MADE:
      continue
    assert target.exists(), f"{page.name}: {link}: no such file"
    if name and target.suffix == ".md":
      assert name in anchors(target), f"{page.name}: {link}: no such heading"


def test_links_are_seen():
  readme = links(ROOT / "README.md")
  assert "docs/how_to/scores.md#attacks" in readme and "docs/figures/front-light.svg" in readme
  assert anchor("The `a_b` key, in 2 lines") == "the-a_b-key-in-2-lines"


def test_every_page_is_reached():
  """From README.md, by links."""
  reached, waiting = set(), [ROOT / "README.md"]
  while waiting:
    page = waiting.pop()
    if page in reached or page.suffix != ".md" or not page.exists():
      continue
    reached.add(page)
    waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
  assert set(PAGES) <= reached

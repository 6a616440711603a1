"""Pages of the site that are not files of docs/: those of the repository's root, and the keys of a
configuration, which are read from the code.

`mkdocs.yml` names this file as a hook.
"""

import dataclasses
import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from apr_jax import defaults

ROOT = pathlib.Path(__file__).parents[1]
OF_THE_ROOT = {
  "RESULTS.md": "results.md",
  "CONTRIBUTING.md": "contributing.md",
  "CHANGELOG.md": "changelog.md",
  "README.md": "index.md",
}
KEYS = "reference/keys.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
  """Adds the pages."""
  for name, page in OF_THE_ROOT.items():
    if page not in files.src_uris:
      text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
      files.append(File.generated(config, page, content=_to_pages(text, "")))
  files.append(File.generated(config, KEYS, content=keys_page()))
  return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
  """Links from docs/ to the files of the root lead to their pages."""
  return _to_pages(markdown, "../" * (page.file.src_uri.count("/") + 1))


def keys_page() -> str:
  """Every key with its default, what it means, and the values it takes."""
  lines = [
    "# Every key of a configuration",
    "",
    "`--config.KEY=VALUE` overrides one. The defaults are those of `configs/base.py`; a file of "
    "`configs/` changes a few of them.",
  ]
  for place, section in defaults.sections().items():
    about = (section.__doc__ or "").strip().splitlines()[0]
    lines += ["", f"## {place or 'The run'}", "", about, ""]
    lines += ["| key | default | meaning | values |", "|---|---|---|---|"]
    for field in dataclasses.fields(section):
      key = f"{place}.{field.name}" if place else field.name
      rule = field.metadata["rule"]
      cells = [
        f"`{key}`",
        f"`{field.default!r}`",
        field.metadata["about"],
        rule.text if rule else type(field.default).__name__,
      ]
      lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
  return "\n".join(lines) + "\n"


def _to_pages(text: str, above: str) -> str:
  """The text with links to `above` + a file of the root leading to its page."""
  to_docs = above[len("../") :] if above else ""
  for name, page in OF_THE_ROOT.items():
    text = re.sub(rf"\]\({re.escape(above + name)}(#[^)]*)?\)", rf"]({to_docs}{page}\1)", text)
  return text

"""The docs as a site: a link out of this folder leads to a copy of the file.

Pages are written for a reader of the repository, where `../stream_app/settings.py` is a link that
works. A site has only what lies under `docs`. So whatever a page links to outside is taken into the
site under its path in the repository, and the link is turned to it. CONTRIBUTING.md and
CHANGELOG.md become pages in the same way.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
DOCS = "docs"
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
"""The target of a relative link or picture."""


def on_files(files: Files, config: Any) -> Files:
    """Take in the pages of the root and every file that a page links to."""
    for name in PAGES:
        files.append(_taken(name, config))
    for page in [file for file in files if file.is_documentation_page()]:
        text = (ROOT / _home(page.src_uri)).read_text(encoding="utf-8")
        for link in LINK.finditer(text):
            uri = _uri(_target(page.src_uri, link["path"]))
            if files.get_file_from_path(uri) is None and (ROOT / uri).is_file():
                files.append(_taken(uri, config))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links of a page to where their targets lie in the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def turned(link: re.Match[str]) -> str:
        uri = _uri(_target(page.file.src_uri, link["path"]))
        return posixpath.relpath(uri, folder or ".") + (link["anchor"] or "")

    return LINK.sub(turned, markdown)


def _taken(path: str, config: Any) -> File:
    """A file of the repository as one of the site."""
    level = InclusionLevel.INCLUDED if path in PAGES else InclusionLevel.NOT_IN_NAV
    return File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=level)


def _home(uri: str) -> str:
    """Where a page of the site lies in the repository."""
    return uri if (ROOT / uri).is_file() else f"{DOCS}/{uri}"


def _target(uri: str, link: str) -> str:
    """What a link of a page names, as a path in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_home(uri)), link))


def _uri(path: str) -> str:
    """Where a path of the repository lies in the site."""
    return path.removeprefix(f"{DOCS}/")

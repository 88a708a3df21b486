"""Check the built documentation: nothing is missing in it, and reading it calls no other host.

The builder itself fails on a wrong link between pages. It does not look at pictures, at the pages
named in the navigation, at pages that no navigation names, or at files outside docs/.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that a browser fetches by itself, as opposed to links that a reader may follow.
FETCHED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch"}


class _References(HTMLParser):
    """Collects what a page refers to: (address, whether the browser fetches it by itself)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        for attribute in ("href", "src", "data"):
            address = named.get(attribute)
            if address:
                relations = set((named.get("rel") or "").split())
                fetched = (tag, attribute) in FETCHED or bool(relations & FETCHED_LINKS)
                self.found.append((address, fetched))


def _target(page: Path, address: str, root: Path) -> Path:
    path = unquote(urlsplit(address).path)
    if path.startswith("/"):
        return root / path.lstrip("/")
    return page.parent / path if path else page


def _exists(target: Path) -> bool:
    return target.is_file() or (target / "index.html").is_file()


def problems_of_site(site: Path) -> Iterator[str]:
    """Yield one sentence for each thing that is wrong with the built pages."""
    pages = sorted(site.rglob("*.html"))
    if not pages:
        yield f"{site}: no pages; build it first"
    linked = set()
    for page in pages:
        parser = _References()
        parser.feed(page.read_text(encoding="utf-8"))
        for address, fetched in parser.found:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if fetched:
                    yield f"{page}: fetches {address} from another host"
                continue
            target = _target(page, address, site)
            if not _exists(target):
                yield f"{page}: {address} does not exist"
            elif target.resolve() != page.resolve():
                linked.add(target.resolve())
    for page in pages:
        folder = page.parent.resolve()
        if page.name == "index.html" and page.parent != site and folder not in linked:
            yield f"{page}: no other page leads here; add it to the navigation"


def problems_of_text(document: Path) -> Iterator[str]:
    """Yield one sentence for each relative link of a Markdown file that leads nowhere."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    addresses = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme or not parts.path:
            continue
        if not (document.parent / unquote(parts.path)).exists():
            yield f"{document}: {address} does not exist"


def main() -> int:
    """Print what is wrong; exit with 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("documents", type=Path, nargs="*")
    arguments = parser.parse_args()
    problems = list(problems_of_site(arguments.site))
    for document in arguments.documents:
        problems += problems_of_text(document)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

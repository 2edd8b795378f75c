"""Index pages: the listings that web servers make of their folders."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from html.parser import HTMLParser
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urlsplit

import requests

from airbyte_cdk.sources.file_based.access.storage_access import Failure, Retried, Trouble
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.storages.http_client import HttpClient
from airbyte_cdk.sources.file_based.storages.http_errors import HttpError, explained, refused, settled
from airbyte_cdk.sources.file_based.storages.http_parallel import in_parallel
from airbyte_cdk.sources.file_based.storages.http_urls import shown

DEEPEST = 64
"""Folders inside of each other. More of them are taken for a link of the server that leads back."""

_HTML = ("text/html", "application/xhtml+xml")
_HEAD = 1024
_PIECE = 256 * 1024
_PAGE_HEADERS = {"Accept": "text/html, application/xhtml+xml;q=0.9", "Accept-Encoding": "gzip"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
# Titles and headings of the pages of Apache, nginx, lighttpd, Python, Jetty, Tomcat, rclone, Twisted and others
_TITLES = re.compile(r"\s*(index of|directory listing|directory:|listing of|contents of|files within)\b", re.IGNORECASE)
# Links that sort the page: Apache, lighttpd; Caddy, rclone, miniserve
_SORTING = re.compile(r"\?(C=[NMSD][;&]O=[AD]|sort=\w+&(amp;)?order=(asc|desc))$")


class Page(NamedTuple):
    """What one index page lists: uris of files and of folders, the latter without their last ``/``."""

    files: list[str]
    folders: list[str]


class IndexedFolder:
    """The files below one URL, as index pages list them: each by the page of its folder.

    The uri of a file is its path below `base_url`, with %-escapes decoded once. A path that is not UTF-8 then, or that
    holds an escaped ``/``, stays as the page spells it. Links to other hosts, to what is not below their page, or with
    a query are none of the files.
    """

    def __init__(self, base_url: str, client: HttpClient) -> None:
        self._base = base_url if base_url.endswith("/") else f"{base_url}/"
        self._client = client
        self._spelled: dict[str, str] = {}

    @property
    def title(self) -> str:
        """Names the folder in messages."""
        return f"HTTP folder {shown(self._base)}"

    def url(self, uri: str) -> str | None:
        """The URL of a file; None for what can be no file below the base."""
        if any(part in ("", ".", "..") for part in uri.split("/")):
            return None
        return self._base + self._path(uri)

    def uris(
        self,
        prefix: str,
        recursive: bool,
        enter: Callable[[str], bool],
        pool: Executor,
        retried: Retried,
        watch: Callable[[], Watch],
    ) -> Iterator[str]:
        """The uris of all files that begin with `prefix`, page by page, level by level.

        Raises:
            HttpError: A page that is needed cannot be had, or is not an index.
        """

        def page_of(folder: str) -> Page:
            return settled(lambda: self._asked(folder, watch()), retried)

        start = prefix.rpartition("/")[0]
        first = self._page_if_any(start, page_of)
        if first is None:
            page_of("")  # raises if it is not the folder, but all of it that is not there
            return
        seen = {start}
        pages: Iterable[Page] = [first]
        while pages:
            deeper: list[str] = []
            for page in pages:
                yield from (uri for uri in page.files if uri.startswith(prefix))
                if recursive:
                    below = [uri for uri in page.folders if f"{uri}/".startswith(prefix) and uri not in seen]
                    seen.update(below)
                    deeper += [uri for uri in below if enter(uri)]
            pages = in_parallel(page_of, deeper, pool) if deeper else ()

    def _page_if_any(self, folder: str, page_of: Callable[[str], Page]) -> Page | None:
        if folder and self.url(folder) is None:
            return None
        try:
            return page_of(folder)
        except HttpError as error:
            if error.failure.trouble is Trouble.MISSING:
                return None
            raise

    def _asked(self, folder: str, watch: Watch) -> Page:
        path = f"{self._path(folder)}/" if folder else ""
        url = self._base + path
        if folder.count("/") >= DEEPEST:
            raise _no_index(f"{shown(url)} is inside of {DEEPEST} folders: a link of the server seems to lead back")
        with self._client.get(url, _PAGE_HEADERS) as response:
            if response.status_code != HTTPStatus.OK:
                error = refused(response, url)
                if not folder and error.failure.trouble is Trouble.MISSING:
                    raise HttpError(Failure(Trouble.CONFIG, f"{error}: check base_url"), error.status)
                raise error
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            given = urlsplit(str(response.url))
            inside = given.path.rpartition("/")[0] + "/"
            elsewhere = bool(folder) and not unquote_to_bytes(inside).endswith(unquote_to_bytes(f"/{path}"))
            if kind not in _HTML or elsewhere:
                raise _no_index(f"{shown(url)} is not an index page, or redirects to another one: check base_url")
            page = _parsed(response, url, watch)
        if not page.is_index(unquote(inside)):
            raise _no_index(f"{shown(url)} is a page, but not the index page of a folder: check base_url")
        return self._below(folder, [parts for href in page.hrefs if (parts := _parts_below(href, given))], url)

    def _path(self, uri: str) -> str:
        return self._spelled.get(uri) or quote(uri, safe="/")

    def _below(self, folder: str, links: list[list[str]], url: str) -> Page:
        """The page of `folder`, from the paths that its links have below it."""
        spelled: dict[str, str] = {}
        files: list[str] = []
        folders: list[str] = []
        for parts in links:
            is_folder = not parts[-1]
            path = "/".join(parts[:-1] if is_folder else parts)
            name = _decoded(path)
            uri = f"{folder}/{name or path}" if folder else name or path
            full = f"{self._path(folder)}/{path}" if folder else path
            if uri in spelled:
                if unquote_to_bytes(spelled[uri]) != unquote_to_bytes(full):
                    raise _no_index(f"{shown(url)} lists two files whose names are both {uri!r} once they are decoded")
                continue
            spelled[uri] = full
            if name is None or folder in self._spelled:
                self._spelled[uri] = full
            (folders if is_folder else files).append(uri)
        return Page(files, folders)


class _Parser(HTMLParser):
    """Finds the links of a page, and what tells whether it is an index."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hrefs: list[str] = []
        self.titles: list[str] = []
        self.ended = False
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]
        elif tag in ("title", "h1"):
            self._in_title = True
            self.titles.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "h1"):
            self._in_title = False
        self.ended = self.ended or tag in ("body", "html")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.titles[-1] += data

    def is_index(self, path: str) -> bool:
        """Whether a server made this page to list the folder `path`: its title, its sorting or parent links say so."""
        titles = [title.strip() for title in self.titles]
        return (
            any(_TITLES.match(title) or title == path or title.endswith(f" - {path}") for title in titles)
            or any(_SORTING.match(href) for href in self.hrefs)
            or any(href.removeprefix("./") in ("..", "../") for href in self.hrefs)
        )


def _parsed(response: requests.Response, url: str, watch: Watch) -> _Parser:
    """The page, read piece by piece to its end."""
    parser = _Parser()
    read = partial(response.raw.read1, decode_content=True)
    with explained(url):
        piece = watch.read_all(read, _HEAD)
        decoder = codecs.getincrementaldecoder(_charset(response, piece))("replace")
        while piece:
            parser.feed(decoder.decode(piece))
            piece = watch.read(read, _PIECE)
    parser.close()
    told = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if not told and not parser.ended:
        raise HttpError(Failure(Trouble.TEMPORARY, f"the index page {shown(url)} broke off"))
    return parser


def _charset(response: requests.Response, start: bytes) -> str:
    told = re.search(r"charset\s*=\s*[\"']?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    meta = _META_CHARSET.search(start)
    name = told[1] if told else meta[1].decode() if meta else "utf-8"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def _parts_below(href: str, page: SplitResult) -> list[str] | None:
    """The path of a link below the folder of its page, by parts as they are spelled; None if it is not below.

    The last part of a folder is empty. `urllib.parse.urljoin` is of no use here: it would normalise paths.
    """
    # as browsers: https://url.spec.whatwg.org/#concept-basic-url-parser
    href = re.sub(r"[\t\r\n]", "", href).strip("\x00 ").partition("#")[0]
    if not href or "?" in href:
        return None
    if _SCHEME.match(href) or href.startswith("//"):
        link = urlsplit(href, scheme=page.scheme)
        if link.scheme not in ("http", "https") or link.hostname != page.hostname:
            return None
        href = link.path or "/"
    parts = href.split("/")
    if href.startswith("/"):
        above = page.path.split("/")[:-1]
        if [unquote_to_bytes(part) for part in parts[: len(above)]] != [unquote_to_bytes(part) for part in above]:
            return None
        parts = parts[len(above) :]
    while parts and parts[0] == ".":
        parts = parts[1:]
    names = parts if parts and parts[-1] else parts[:-1]
    if not names or any(unquote_to_bytes(name) in (b"", b".", b"..") for name in names):
        return None
    return parts


def _decoded(path: str) -> str | None:
    """A path without %-escapes, or None if it would not be the same path then, or is not UTF-8."""
    if "%2f" in path.lower():
        return None
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None


def _no_index(reason: str) -> HttpError:
    return HttpError(Failure(Trouble.CONFIG, reason))

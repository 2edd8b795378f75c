"""The pages of an S3 listing: fetched one ahead, and parsed without the model-driven parser of botocore.

That parser makes dictionaries of every field of every object, at 30 to 40 microseconds an object; this takes 2, most of
it while the storage makes the next page. The format:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from airbyte_cdk.sources.file_based.access.errors import SAME_PAGE, AnswerError
from airbyte_cdk.sources.file_based.access.storage_access import Listed, Trouble, naive_utc

NO_LISTING = (
    "the server does not answer a listing as S3 does: correct the option `endpoint` (the port of a web console is not "
    "that of the storage)"
)
_ROOT = "ListBucketResult"
_TOKEN = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")
_END = re.compile(rb"</(\w+:)?ListBucketResult\s*>\s*$")
_MORE = b"<IsTruncated>true</IsTruncated>"

_Row = tuple[str | None, str | None, str | None, str | None]
"""Key, time, ETag and size of an object, as texts of the page; None for what it lacks."""

_QUOTE = r'(?:"|&quot;|&\#34;)?'
# An object in the usual way: its fields in any order, without spaces between and without entities in its key.
_USUAL = re.compile(
    rf"""<Contents>(?:
        <Key>([^<&\x00-\x1f\ufffe\uffff]+)</Key>
        |<LastModified>([0-9T:.Z+-]+)</LastModified>
        |<ETag>{_QUOTE}([^<&"\x00-\x1f]*){_QUOTE}</ETag>
        |<Size>([0-9]+)</Size>
        |<StorageClass>[A-Z_]*</StorageClass>
        |<ChecksumAlgorithm>[A-Z0-9]*</ChecksumAlgorithm>
        |<ChecksumType>[A-Z_]*</ChecksumType>
        |<Owner>(?:<ID>[^<&]*</ID>|<DisplayName>[^<&]*</DisplayName>)*</Owner>
    )*</Contents>""",
    re.VERBOSE,
)
# What would make the text of an object mean something else: comments, CDATA, declared entities, another encoding.
_ODD = re.compile(rb"<!|encoding=[\"'](?!utf-8|UTF-8)")


def listed(
    page: Callable[[str | None], Future[bytes]], folder: Callable[[str], object] = lambda _: None
) -> Iterator[Listed]:
    """The files of all pages. The next page is requested while one is used; no more than these two are held.

    Args:
        page: Asks for the page of a continuation token, or for the first one; gives its XML, `whole`, once it is there.
        folder: Is told the uri, without its last ``/``, of each folder that the listing does not go into.

    Raises:
        AnswerError: a page is broken, or no further page can be asked for although there is more.
        Exception: what getting a page raises.
    """
    token: str | None = None
    coming: Future[bytes] | None = page(None)
    try:
        while coming is not None:
            body = coming.result()
            last, token, coming = token, _next_token(body), None
            if token is not None:
                if token == last:
                    raise AnswerError(Trouble.OTHER, SAME_PAGE)
                coming = page(token)
            yield from entries(body, token, folder)
    finally:
        if coming is not None:
            coming.cancel()


def whole(body: bytes) -> bytes:
    """The XML of a page, if its end is there.

    Raises:
        AnswerError: the page was cut off. What else is wrong with it is found when it is parsed.
    """
    if not body or (_ROOT.encode() in body[:1000] and not _END.search(body, len(body) - 100)):
        raise AnswerError(Trouble.TEMPORARY, "a page of the listing ended too early")
    return body


def _next_token(body: bytes) -> str | None:
    """What names the next page, found before the page is parsed. `entries` makes sure of it."""
    # a key cannot be mistaken for the elements, since a "<" in it is escaped
    found = _TOKEN.search(body) if _MORE in body else None
    return unescape(found[1].decode(), {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"}) if found else None


def entries(
    body: bytes, token: str | None = None, folder: Callable[[str], object] = lambda _: None
) -> Iterator[Listed]:
    """The files of one page, without the markers of folders (no bytes, and a name that ends in ``/``).

    Args:
        body: XML of the page.
        token: What was taken for the continuation token of the next page; None for the last page.
        folder: As in `listed`.

    Raises:
        AnswerError: it is not a whole page, or the token is another one.
    """
    root, rows = _split(body)
    namespace = root.tag.removesuffix(_ROOT)
    more = root.findtext(f"{namespace}IsTruncated", "").strip().lower() == "true"
    if (root.findtext(f"{namespace}NextContinuationToken") if more else None) != token or (more and not token):
        raise AnswerError(
            Trouble.OTHER,
            "the listing goes on, but the storage does not say where (it may not know version 2 of listings)",
        )
    encoded = root.findtext(f"{namespace}EncodingType") == "url"
    for element in root.iter(f"{namespace}CommonPrefixes"):
        prefix = element.findtext(f"{namespace}Prefix", "")
        folder((unquote_plus(prefix) if encoded else prefix).removesuffix("/"))
    for key, modified, version, size in rows if rows is not None else _rows(root, namespace):
        if not key or not size or not modified:
            raise AnswerError(Trouble.OTHER, "the listing holds an object without key, size or time")
        try:
            uri = unquote_plus(key, errors="strict") if encoded and ("%" in key or "+" in key) else key
            file = Listed(uri, int(size), _time(modified), version.strip('"') if version else None)
        except ValueError as error:
            raise AnswerError(
                Trouble.OTHER, "the listing holds an object whose key, size or time is not as S3 writes it"
            ) from error
        if file.size or not uri.endswith("/"):
            yield file


def _split(body: bytes) -> tuple[ElementTree.Element, Iterable[_Row] | None]:
    """The page parsed; if all its objects are written in the usual way, without these, and their fields beside it.

    Finding the fields takes a quarter of the time of parsing them. What stays is parsed, so that any page that is no
    XML is noticed.
    """
    first, last = body.find(b"<Contents>"), body.rfind(b"</Contents>") + len(b"</Contents>")
    if 0 <= first < last and _ODD.search(body, 0, first) is None:
        try:
            text = body[first:last].decode()
        except UnicodeDecodeError:
            return _parsed(body), None
        parts = _USUAL.split(text)  # what is before the first object, its four fields, what is behind it, ...
        if not any(parts[::5]):
            return _parsed(body[:first] + body[last:]), zip(*(parts[at::5] for at in range(1, 5)), strict=True)
    return _parsed(body), None


def _rows(root: ElementTree.Element, namespace: str) -> Iterator[_Row]:
    tags = [namespace + field for field in ("Key", "LastModified", "ETag", "Size")]
    for element in root.iter(f"{namespace}Contents"):
        fields = {field.tag: field.text for field in element}
        key, modified, version, size = (fields.get(tag) for tag in tags)
        yield key, modified, version, size


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        if _ROOT.encode() not in body[:1000]:
            root = None
        else:
            raise AnswerError(Trouble.OTHER, f"a page of the listing is not valid XML: {error}") from error
    if root is not None and root.tag == "Error":
        raise AnswerError(Trouble.TEMPORARY, f"the storage failed within a listing ({root.findtext('Code')})")
    if root is None or not root.tag.endswith(_ROOT):
        raise AnswerError(Trouble.CONFIG, NO_LISTING)
    return root


def _time(text: str) -> datetime:
    if text.endswith("Z"):
        return datetime.fromisoformat(text[:-1])
    return naive_utc(datetime.fromisoformat(text))

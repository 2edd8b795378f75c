"""URLs of single files: patterns for ranges of numbers and dates, expanded lazily, and the uri of each file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from airbyte_cdk.sources.file_based.access.hosts import is_host

MOST_URLS = 100_000
"""Files that the URLs of one config may name: each costs a request in each sync."""

DATE_FORMAT = "%Y-%m-%d"
"""How a range of dates without a format is written."""

_NUMBERS = re.compile(r"(\d+)\.\.(\d+)", re.ASCII)
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d|today)(?::(.+))?", re.ASCII)
_DATE_CODES = frozenset("YymdjGVu%")  # of strftime: numbers only, the same in every locale

# Parameters that sign a request or let one in: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
# https://docs.cloud.google.com/storage/docs/authentication/signatures and
# https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas among them.
_SIGNING = re.compile(
    r"sig|token|secret|passw|pwd|credential|auth|hmac|policy|key|expir|session|jwt|^x-(amz|goog|ms|oss|cos|obs)-"
    r"|^(se|st|sp|sv|sr|ss|srt|spr|sip|skoid|sktid|skt|ske|sks|skv|hash|md5|code)$",
    re.IGNORECASE,
)
_LONG = 32
"""A value of so many characters is taken for a signature, whatever its name."""


@dataclass(frozen=True)
class Numbers:
    """The numbers from `first` to `last`, with leading zeros up to `width` digits."""

    first: int
    last: int
    width: int

    def texts(self, most: int) -> list[str]:
        """They as texts: not more than `most` and one."""
        return [str(number).zfill(self.width) for number in range(self.first, min(self.last, self.first + most) + 1)]


@dataclass(frozen=True)
class Dates:
    """The days from `first` to `last` (None: the current day in UTC), written in `form`; equal texts once."""

    first: date
    last: date | None
    form: str

    def texts(self, most: int) -> list[str]:
        """They as texts: not more than `most` and one."""
        last = self.last or datetime.now(UTC).date()
        texts: dict[str, None] = {}
        for days in range((last - self.first).days + 1):
            texts[_written(self.first + timedelta(days), self.form)] = None
            if len(texts) > most:
                break
        return list(texts)


Text = tuple[str | int, ...]
"""Literal texts, and the places of ranges by their number."""


@dataclass(frozen=True)
class UrlPattern:
    """A URL in which ranges stand for texts.

    Attributes:
        path: The URL before its query.
        parameters: Those of its query.
        ranges: In the order in which they stand.
        kept: Of each parameter, whether it belongs to the uri.
        shown: The pattern as messages name it: without the query.
    """

    path: Text
    parameters: tuple[Text, ...]
    ranges: tuple[Numbers | Dates, ...]
    kept: tuple[bool, ...]
    shown: str

    def count(self) -> int:
        """How many URLs it stands for; not exact above `MOST_URLS`."""
        number = 1
        for part in self.ranges:
            number *= len(part.texts(MOST_URLS))
        return number

    def members(self) -> Iterator[tuple[str, str]]:
        """Uri and URL of each of its files."""
        for texts in product(*(part.texts(MOST_URLS) for part in self.ranges)):
            path = _filled(self.path, texts)
            parameters = [_filled(parameter, texts) for parameter in self.parameters]
            kept = [text for text, keep in zip(parameters, self.kept, strict=True) if keep]
            yield _with_query(path, kept), _with_query(path, parameters)


class Member(NamedTuple):
    """One file that the URLs name.

    Attributes:
        uri: What globs match and the history remembers.
        url: Where it is, with its whole query, which may hold secrets.
        pattern: The URL of the config that it comes from.
    """

    uri: str
    url: str
    pattern: UrlPattern


class UrlList:
    """The files that a list of URLs and patterns names.

    The uri of a file is its URL as written, without the query. Of the query, only the parameters stay that hold a
    range, and, where URLs of the list are alike up to the query, those by which these differ, unless they look like
    signatures or keys: the history must outlive a new signature, and no secret may be in a uri.

    Args:
        urls: As `HttpOptions` describes them. One that is given twice counts once.

    Raises:
        ValueError: A URL or pattern is wrong, or there are too many; the text holds no part of a query.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._patterns = _with_uris([_parsed(url.strip()) for url in dict.fromkeys(urls)])
        self._urls: dict[str, str] = {}
        if sum(pattern.count() for pattern in self._patterns) > MOST_URLS:
            raise ValueError(f"the urls stand for more than {MOST_URLS:,} files; make their ranges shorter")

    @property
    def title(self) -> str:
        """Names the files in messages."""
        hosts = sorted({_host(pattern) for pattern in self._patterns})
        return f"HTTP files of {', '.join(hosts[:3])}{' and others' if len(hosts) > 3 else ''}"

    def members(self, wanted: Callable[[str], bool]) -> Iterator[Member]:
        """The files whose uri is wanted, each once.

        Raises:
            ValueError: Two files have one uri, but not one URL.
        """
        urls: dict[str, str] = {}
        for pattern in self._patterns:
            for uri, url in pattern.members():
                if not wanted(uri):
                    continue
                if urls.setdefault(uri, url) is not url:
                    if urls[uri] != url:
                        raise ValueError(f"the urls name {uri} several times with different queries; keep one of them")
                    continue
                self._urls[uri] = url
                yield Member(uri, url, pattern)

    def url(self, uri: str) -> str | None:
        """The URL of a file; None if the list does not name it."""
        if uri not in self._urls:
            for _ in self.members(lambda candidate: candidate == uri):
                break
        return self._urls.get(uri)


def check_base_url(url: str) -> None:
    """Whether index pages can be followed from a URL.

    Raises:
        ValueError: They cannot.
    """
    _check(url, "base_url")
    if "?" in url:
        raise ValueError("base_url must not have a query, as files below it would not; put secrets into headers")


def query_secrets(urls: Iterable[str]) -> Iterator[str]:
    """What must not be seen of URLs: their queries, and of these each value that looks like a signature or key."""
    for url in urls:
        query = url.strip().partition("?")[2]
        if query:
            yield query
        for parameter in query.split("&"):
            name, _, value = parameter.partition("=")
            if value and _signs(name, value):
                yield value
                yield unquote_plus(value)


def shown(url: str) -> str:
    """A URL as messages name it: without user, password, query and fragment."""
    scheme, separator, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _parsed(url: str) -> UrlPattern:
    pieces = re.split(r"\{([^{}]*)\}", url)
    if any("{" in literal or "}" in literal for literal in pieces[::2]):
        raise ValueError(f"{shown(url)}: a brace is not closed, or inside of another; write %7B for a brace itself")
    ranges = tuple(_range(text, url) for text in pieces[1::2])
    parts: list[list[str | int]] = [[]]
    for number, literal in enumerate(pieces[::2]):
        if number:
            parts[-1].append(number - 1)
        split = re.split(r"\?" if len(parts) == 1 else "&", literal, maxsplit=1)
        while len(split) == 2:
            parts[-1].append(split[0])
            parts.append([])
            split = re.split("&", split[1], maxsplit=1)
        parts[-1].append(split[0])
    path, *parameters = (tuple(piece for piece in part if piece != "") for part in parts)
    samples = [(part.texts(0) or ["0"])[0] for part in ranges]
    _check(_filled(path, samples), "urls")
    kept = tuple(_tells_files_apart(parameter) for parameter in parameters)
    return UrlPattern(path, tuple(parameters), ranges, kept, shown(url))


def _tells_files_apart(parameter: Text) -> bool:
    """Whether a parameter holds a range, and nothing beside it that looks like a secret."""
    name, value = _name_and_value(parameter)
    return any(isinstance(piece, int) for piece in parameter) and not (value and _signs(name, value))


def _range(text: str, url: str) -> Numbers | Dates:
    part = f"{{{text}}}"
    # the query is not shown
    where = f"{shown(url)}: {part}" if part in shown(url) else f"{shown(url)}: the text in braces in its query"
    if numbers := _NUMBERS.fullmatch(text):
        first, last = numbers.groups()
        if int(first) > int(last):
            raise ValueError(f"{where} is empty: its end is before its start")
        # as in shells: if one end has leading zeros, all numbers have the width of the longer end
        padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
        return Numbers(int(first), int(last), max(len(first), len(last)) if padded else 0)
    if dates := _DATES.fullmatch(text):
        try:
            start, *end = (date.fromisoformat(day) for day in dates.groups()[:2] if day != "today")
        except ValueError as error:
            raise ValueError(f"{where} names a day that does not exist") from error
        if end and end[0] < start:
            raise ValueError(f"{where} is empty: its end is before its start")
        # by a day more than that, as it is tomorrow already where the user may be
        if not end and start > datetime.now(UTC).date() + timedelta(1):
            raise ValueError(f"{where} is empty: it begins in the future")
        form = dates[3] or DATE_FORMAT
        codes = re.findall(r"%(.?)", form)
        if not codes or not _DATE_CODES.issuperset(codes):
            raise ValueError(f"{where} has a format that is not made of %Y, %y, %m, %d, %j, %G, %V, %u and plain text")
        return Dates(start, end[0] if end else None, form)
    raise ValueError(
        f"{where} is not a range; ranges are {{1..12}}, {{01..12}}, {{2024-01-01..2024-03-31:%Y/%m/%d}} and "
        "{2024-01-01..today:%Y%m%d}. Write %7B and %7D for braces themselves"
    )


def _check(url: str, option: str) -> None:
    """Raise ValueError if requests to a URL make no sense, or would show a secret."""
    if not url.lower().startswith(("http://", "https://")):
        # it is not repeated: it may be anything
        raise ValueError(f"{option}: what is given is not a URL; it must begin with http:// or https:// and a host")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018  parses it
    except ValueError as error:
        raise ValueError(f"{option}: {shown(url)} is not a URL") from error
    controls = any(character < " " or character == "\x7f" for character in url)
    if not is_host(host) or controls:
        raise ValueError(f"{option}: {shown(url)} is not a URL that begins with http:// or https:// and a host")
    if parts.username is not None:
        raise ValueError(f"{option}: {shown(url)}: give user and password as credentials, not in the URL")
    if "#" in url:
        raise ValueError(f"{option}: {shown(url)}: write %23 for #, which would begin a part that is not sent")


def _with_uris(patterns: Sequence[UrlPattern]) -> list[UrlPattern]:
    """The patterns, with the parameters that make the uris of those differ that are alike up to the query."""
    alike: dict[tuple[object, ...], list[UrlPattern]] = {}
    for pattern in patterns:
        alike.setdefault((pattern.path, pattern.ranges), []).append(pattern)
    return [_distinct(pattern, alike[pattern.path, pattern.ranges]) for pattern in patterns]


def _distinct(pattern: UrlPattern, alike: Sequence[UrlPattern]) -> UrlPattern:
    common = set(pattern.parameters).intersection(*(other.parameters for other in alike))
    kept = tuple(
        keep or (parameter not in common and not _signs(*_name_and_value(parameter)))
        for parameter, keep in zip(pattern.parameters, pattern.kept, strict=True)
    )
    return replace(pattern, kept=kept)


def _name_and_value(parameter: Text) -> tuple[str, str]:
    name, _, value = "".join(piece for piece in parameter if isinstance(piece, str)).partition("=")
    return name, value


def _signs(name: str, value: str) -> bool:
    return len(value) >= _LONG or _SIGNING.search(unquote_plus(name)) is not None


def _host(pattern: UrlPattern) -> str:
    return urlsplit(pattern.shown).netloc


def _filled(text: Text, texts: Sequence[str]) -> str:
    return "".join(texts[piece] if isinstance(piece, int) else piece for piece in text)


def _with_query(path: str, parameters: Sequence[str]) -> str:
    return f"{path}?{'&'.join(parameters)}" if parameters else path


def _written(day: date, form: str) -> str:
    # strftime leaves early years unpadded on Linux
    return re.sub("%.", lambda code: f"{day.year:04d}" if code[0] == "%Y" else day.strftime(code[0]), form)

"""Which files a stream has read: exact at any number of files, and compact in the state.

A state of the published form lists at most so many files (``history``), the newest ones, and forgets the others.
`FileHistory` forgets nothing. What does not fit into ``history`` is packed into one more key of the state,
`OLDER_HISTORY_KEY`; ``docs/design/state.md`` tells the format and what it weighs.
"""

from __future__ import annotations

import base64
import gzip
import heapq
import io
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, groupby, repeat
from operator import add
from os.path import commonprefix
from typing import Any

from airbyte_cdk.sources.file_based.access.names import printable

OLDER_HISTORY_KEY = "older_history"
"""Key of the state that holds all files beyond those of ``history``. It is there as soon as ``history`` is full."""

DATE_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
"""How ``history`` writes a time: UTC, six digits of a second, four of a year."""

PACK_VERSION = 1
BLOCK = 10_000
"""Files in one line of the packed text: bounds what is in memory while packing and unpacking."""

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(time: datetime) -> int:
    """Microseconds since 1970 of a time; naive times are UTC."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    return (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The naive UTC time of `micros` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def format_time(time: datetime, date_time_format: str = DATE_TIME_FORMAT) -> str:
    """The text of a naive UTC time; years are written with four digits on every platform."""
    if date_time_format == DATE_TIME_FORMAT:
        return time.isoformat(timespec="microseconds") + "Z"
    # strftime leaves the year unpadded on Linux, and strptime cannot read that back.
    return time.strftime(date_time_format.replace("%Y", f"{time.year:04d}"))


def parse_time(text: str, date_time_format: str = DATE_TIME_FORMAT) -> datetime:
    """The naive UTC time that `text` tells; other ISO forms and unpadded years are understood too.

    Raises:
        ValueError: `text` is no time.
    """
    if date_time_format != DATE_TIME_FORMAT:
        try:
            return datetime.strptime(text, date_time_format)
        except ValueError:
            pass  # written before the connector changed its format
    year, dash, rest = text.removesuffix("Z").partition("-")
    time = datetime.fromisoformat(year.zfill(4) + dash + rest)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def pack(uris: list[str], times: list[int]) -> dict[str, Any]:
    """Write files as one JSON object, the same for the same files.

    Args:
        uris: Sorted, without duplicates.
        times: Of each file: microseconds since 1970.

    Returns:
        ``{"version": 1, "files": <number>, "data": <text>}``; data is base64 of gzip of lines of JSON, each
        ``[unit, prefixes, counts, endings, steps]`` for at most `BLOCK` files: file i ends with ``endings[i]``; the
        first ``counts[0]`` files start with ``prefixes[0]``, and so on; the time of file i is the sum of
        ``steps[: i + 1]``, in units of `unit` microseconds.
    """
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as lines:
        for start in range(0, len(uris), BLOCK):
            moments = times[start : start + BLOCK]
            unit = next(size for size in (1_000_000, 1_000, 1) if not any(moment % size for moment in moments))
            steps = [(moment - before) // unit for before, moment in zip([0, *moments], moments, strict=False)]
            prefixes: list[str] = []
            counts: list[int] = []
            endings: list[str] = []
            for folder, members in groupby(uris[start : start + BLOCK], lambda uri: uri[: uri.rfind("/") + 1]):
                files = list(members)
                # Sorted, so what the first and the last have in common, all have; a lone file shares its folder.
                prefix = commonprefix([files[0], files[-1]]) if len(files) > 1 else folder  # noqa: RUF071  # texts
                prefixes.append(prefix)
                counts.append(len(files))
                endings.extend([uri[len(prefix) :] for uri in files])
            line = json.dumps([unit, prefixes, counts, endings, steps], separators=(",", ":"))
            lines.write(line.encode("ascii") + b"\n")
    data = base64.b64encode(packed.getbuffer()).decode("ascii")
    return {"version": PACK_VERSION, "files": len(uris), "data": data}


def unpack(packed: Mapping[str, Any]) -> dict[str, int]:
    """Read what `pack` wrote: time (microseconds since 1970) by uri, in the order of the uris.

    Raises:
        ValueError: It is damaged, or of a version that this release does not know.
    """
    files: dict[str, int] = {}
    try:
        version, count, data = packed["version"], packed["files"], packed["data"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"its {OLDER_HISTORY_KEY} is damaged") from error
    if version != PACK_VERSION:
        raise ValueError(f"its {OLDER_HISTORY_KEY} is of version {version!r}, and this release reads {PACK_VERSION}")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(data, validate=True))) as lines:
            for line in lines:
                unit, prefixes, counts, endings, steps = json.loads(line)
                uris = map(add, chain.from_iterable(map(repeat, prefixes, counts)), endings)
                files.update(zip(uris, (step * unit for step in accumulate(steps)), strict=True))
    except (ValueError, TypeError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"its {OLDER_HISTORY_KEY} is damaged") from error
    if len(files) != count:
        raise ValueError(f"its {OLDER_HISTORY_KEY} holds {len(files)} files instead of {count}")
    return files


class NewestFiles(dict[str, str]):
    """The text of the last change of the newest files, by uri: ``history`` of the state.

    It is a plain dict to its users, connectors among them that write into it and evict from it themselves; the
    `FileHistory` that owns it hears of each change. Copies of any kind (copy, deepcopy, pickle) are plain dicts.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: FileHistory) -> None:
        super().__init__()
        self._owner = owner

    def __setitem__(self, uri: str, text: str) -> None:
        with self._owner.lock:
            micros = self._owner.parse(text)
            new = uri not in self
            super().__setitem__(uri, text)
            self._owner.placed(uri, text, micros, new)

    def __delitem__(self, uri: str) -> None:
        with self._owner.lock:
            super().__delitem__(uri)
            self._owner.removed(uri)

    def pop(self, uri: str, /, *default: Any) -> Any:
        with self._owner.lock:
            text = super().pop(uri, None)
            if text is not None:
                self._owner.removed(uri)
                return text
        return super().pop(uri, *default)

    def popitem(self) -> tuple[str, str]:
        with self._owner.lock:
            uri, text = super().popitem()
            self._owner.removed(uri)
            return uri, text

    def clear(self) -> None:
        self._owner.named = None
        for uri in list(self):
            del self[uri]

    def setdefault(self, uri: str, text: Any = None, /) -> Any:
        if uri not in self:
            self[uri] = text
        return self[uri]

    def update(self, *others: Any, **texts: str) -> None:
        for uri, text in dict(*others, **texts).items():
            self[uri] = text

    def __ior__(self, other: Any, /) -> NewestFiles:  # type: ignore[override,misc]  # typeshed overloads it
        self.update(other)
        return self

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        return dict, (dict(self),)


class FileHistory:
    """All files that have been read, with the time of their last change; the newest ones stand apart in `newest`.

    One lock guards each method, so threads may share it.

    Args:
        date_time_format: Tells the format of the times in `newest`, at each use.

    Attributes:
        newest: The newest files. Files leave it by `shrink`, or when a connector removes the one that `earliest` has
            just named: they are remembered then. A file that is removed from it otherwise is forgotten.
        named: The file that `earliest` has just named, or None.
    """

    def __init__(self, date_time_format: Callable[[], str] = lambda: DATE_TIME_FORMAT) -> None:
        self.lock = threading.RLock()
        self.newest = NewestFiles(self)
        self._date_time_format = date_time_format
        self._times: dict[str, int] = {}
        # Smallest first, for eviction in O(log n). An entry counts only while `newest` has this very text.
        self._order: list[tuple[int, str, str]] = []
        self.named: str | None = None
        self._older_changes = 0
        self._packed: tuple[int, dict[str, Any]] | None = None

    def __len__(self) -> int:
        """Number of all files."""
        return len(self._times)

    def load(self, history: Mapping[str, str], older: Mapping[str, Any] | None) -> None:
        """Take all files of a state into this empty history: its ``history``, and what `pack` wrote, if any.

        Uris in which earlier releases left half surrogates are taken as `names.printable` writes them.

        Raises:
            ValueError: A time cannot be read, or `older` is damaged.
        """
        with self.lock:
            if older is not None:
                self._times = {printable(uri): micros for uri, micros in unpack(older).items()}
                self._packed = (self._older_changes, {key: older[key] for key in ("version", "files", "data")})
            for uri, text in history.items():
                try:
                    self.newest[printable(uri)] = self._format(self.parse(text))
                except (ValueError, TypeError, AttributeError, OverflowError) as error:
                    raise ValueError(f"the time of {uri!r} in its history cannot be read") from error

    def replace_newest(self, history: Mapping[str, str]) -> None:
        """Forget the files of `newest` and take these instead."""
        files = dict(history)  # may be `newest` itself
        with self.lock:
            self.newest.clear()
            self.newest.update(files)

    def time_of(self, uri: str) -> int | None:
        """When the file was changed last, as read (microseconds since 1970), or None if it has not been read."""
        micros = self._times.get(uri)
        return self._times.get(printable(uri)) if micros is None else micros

    def add(self, uri: str, time: datetime, max_newest: int) -> None:
        """Remember a file that has been read; O(log n)."""
        with self.lock:
            self.newest[printable(uri)] = self._format(to_micros(time))
            self.shrink(max_newest)

    def add_older(self, uri: str, micros: int) -> None:
        """Remember a file that is not remembered yet, without showing it among the newest."""
        with self.lock:
            self._times[printable(uri)] = micros
            self._older_changes += 1

    def shrink(self, max_newest: int) -> None:
        """Keep at most `max_newest` files in `newest`: those greatest by (time, uri)."""
        with self.lock:
            while len(self.newest) > max_newest and (earliest := self.earliest()):
                del self.newest[earliest[0]]

    def fill(self, max_newest: int) -> None:
        """Have exactly the `max_newest` greatest files by (time, uri) in `newest`, if there are so many."""
        with self.lock:
            self.shrink(max_newest)
            free = max_newest - len(self.newest)
            if free > 0 and self.older_count:
                older = ((micros, uri) for uri, micros in self._times.items() if uri not in self.newest)
                for micros, uri in heapq.nlargest(free, older):
                    self.newest[uri] = self._format(micros)

    def earliest(self) -> tuple[str, datetime] | None:
        """The file of `newest` that is smallest by (time, uri), or None; O(log n) amortised."""
        with self.lock:
            while self._order and self.newest.get(self._order[0][1]) != self._order[0][2]:
                heapq.heappop(self._order)
            if not self._order:
                return None
            micros, uri, _ = self._order[0]
            self.named = uri
            return uri, from_micros(micros)

    def latest(self) -> tuple[str, datetime] | None:
        """The file of `newest` that is greatest by (time, uri), or None."""
        with self.lock:
            greatest = max(((self._times[uri], uri) for uri in self.newest), default=None)
            return (greatest[1], from_micros(greatest[0])) if greatest else None

    @property
    def older_count(self) -> int:
        """Number of files that are not among the newest."""
        return len(self._times) - len(self.newest)

    def packed(self) -> dict[str, Any]:
        """All files that are not among the newest, as `pack` writes them.

        Packs only if these have changed since (2 to 3.5 s for 1 M files); a packed form that was loaded is kept.
        """
        with self.lock:
            if self._packed is None or self._packed[0] != self._older_changes:
                uris = sorted([uri for uri in self._times if uri not in self.newest])
                self._packed = self._older_changes, pack(uris, [self._times[uri] for uri in uris])
            return dict(self._packed[1])

    # What `newest` reports, with the lock held

    def parse(self, text: str) -> int:
        """The time that a text in `newest` tells, in microseconds since 1970."""
        return to_micros(parse_time(text, self._date_time_format()))

    def placed(self, uri: str, text: str, micros: int, new: bool) -> None:
        """`newest` has got a file (`new`), or another time for one that it had."""
        if new and uri in self._times:
            self._older_changes += 1
        self._times[uri] = micros
        self.named = None
        heapq.heappush(self._order, (micros, uri, text))
        if len(self._order) > 2 * len(self.newest) + 1_000:
            self._order = [entry for entry in set(self._order) if self.newest.get(entry[1]) == entry[2]]
            heapq.heapify(self._order)

    def removed(self, uri: str) -> None:
        """`newest` has lost a file: evicted if `earliest` has just named it, to be forgotten otherwise."""
        if uri == self.named:
            self._older_changes += 1
        else:
            del self._times[uri]
        self.named = None

    def _format(self, micros: int) -> str:
        return format_time(from_micros(micros), self._date_time_format())

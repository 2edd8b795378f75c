"""Rows of any Avro schema, read one by one with fastavro and kept as JSON text.

fastavro is given the file's schema with logical types of our own (its documented extension point), so that each value
leaves it in the form in which it is printed, at any depth, and a value that has none is told with its row.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

import fastavro
import orjson
from fastavro.read import LOGICAL_READERS

from airbyte_cdk.models.arrow_clock import OUTSIDE_DAY, OUTSIDE_YEARS
from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.parsers.avro_container import MAGIC, SYNC_BYTES, Block
from airbyte_cdk.sources.file_based.parsers.avro_schema import AvroType
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects

_SYNC = bytes(SYNC_BYTES)


class ExactReader:
    """Reads the rows of blocks exactly; rejects bad ones alone.

    Args:
        root: The record type of the file.
        double_as_string: Print doubles that are columns (or a branch of a column's union) as text.
        reserved: Columns that are dropped.
        keep_nulls: Whether columns that are null are printed.
        batch_bytes: Size at which batches are cut.
        rejects: Takes the bad rows.
    """

    def __init__(
        self,
        root: AvroType,
        double_as_string: bool,
        reserved: frozenset[str],
        keep_nulls: bool,
        batch_bytes: int,
        rejects: Rejects,
    ) -> None:
        self._fast = header(_rewritten(root, double_as_string, careful=False))
        self._careful = header(_rewritten(root, double_as_string, careful=True))
        self._dropped = [name for name, _ in root.fields if name in reserved]
        drop_nulls = not keep_nulls and any(_nullable(part) for _, part in root.fields)
        # number of columns of a row without nulls; 0 if nulls stay
        self._width = len(root.fields) - len(self._dropped) if drop_nulls else 0
        self._batch_bytes = batch_bytes
        self._rejects = rejects
        self._bodies: list[bytes] = []
        self._size = 0
        self._done = 0  # rows of the present blocks that are delivered or rejected

    def read(self, blocks: Sequence[Block], first_row: int) -> Iterator[JsonLines]:
        """The good rows of `blocks`; `first_row` is the number of their first row in the file, from 1.

        Rows are held back until they make a batch: call `flush` at the end.
        """
        self._done = 0
        try:
            yield from self._rows(fastavro.reader(io.BytesIO(framed(self._fast, blocks))), blocks, first_row)
        except Exception:  # fastavro raises whatever broken data makes it stumble over
            yield from self._read_carefully(blocks, first_row)

    def flush(self) -> Iterator[JsonLines]:
        """What is held back."""
        if self._bodies:
            bodies, self._bodies, self._size = self._bodies, [], 0
            yield JsonLines(bodies)

    def _read_carefully(self, blocks: Sequence[Block], first_row: int) -> Iterator[JsonLines]:
        """The rows that `_rows` has not done yet, each block for itself, and text as bytes.

        So bad text costs its own row only, and data that does not follow the schema the rest of its block.
        """
        end = 0
        for block in blocks:
            start, end = end, end + block.count
            if end <= self._done:
                continue
            try:
                rows = fastavro.reader(io.BytesIO(framed(self._careful, [block])))
                yield from self._rows(islice(rows, self._done - start, None), blocks, first_row)
            except Exception as error:
                # a count that the block cannot hold is broken itself
                lost = end - self._done if block.count <= len(block.data) else 1
                place = f"row {first_row + self._done} and the rest of the block at byte {block.offset}"
                why = f"data that does not follow the schema ({type(error).__name__})"
                self._rejects.add(place, why, RejectKind.UNREADABLE, rows=lost)
                self._done = end

    def _rows(self, rows: Iterator[Any], blocks: Sequence[Block], first_row: int) -> Iterator[JsonLines]:
        # the loop that all rows run through: it costs little beside fastavro only if it does little
        dumps, bodies, dropped, width = orjson.dumps, self._bodies, self._dropped, self._width
        done, size, limit = self._done, self._size, self._batch_bytes
        nulls = False  # whether the row before had nulls to be dropped
        try:
            for row in rows:
                for name in dropped:
                    del row[name]
                try:
                    if not nulls:
                        body = dumps(row)
                        nulls = width > 0 and b":null" in body
                    if nulls:
                        kept = {name: value for name, value in row.items() if value is not None}
                        nulls = len(kept) < width
                        body = dumps(kept)
                except TypeError:
                    self._reject(blocks, first_row, done, _reason(row))
                    done += 1
                    continue
                done += 1
                bodies.append(body[1:-1])
                size += len(body)
                if size >= limit:
                    yield JsonLines(bodies)
                    bodies, size = [], 0
                    self._bodies = bodies
        finally:
            self._done, self._size = done, size

    def _reject(self, blocks: Sequence[Block], first_row: int, done: int, reason: str) -> None:
        end = 0
        for block in blocks:
            end += block.count
            if done < end:
                break
        self._rejects.add(f"row {first_row + done} (block at byte {block.offset})", reason)


def header(schema: dict[str, Any]) -> bytes:
    """The header of a file of uncompressed blocks of that schema."""
    text = orjson.dumps(schema)
    return b"".join(
        [MAGIC, _long(2), _text(b"avro.codec"), _text(b"null"), _text(b"avro.schema"), _text(text), _long(0), _SYNC]
    )


def framed(head: bytes, blocks: Sequence[Block]) -> bytes:
    """A whole file: `head`, then each of `blocks` as a block, so that none is read beyond its end."""
    parts = [head]
    for block in blocks:
        parts += (_long(block.count), _long(len(block.data)), block.data, _SYNC)
    return b"".join(parts)


def _long(number: int) -> bytes:
    """A number that is not negative, in Avro's encoding."""
    number <<= 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _text(text: bytes) -> bytes:
    return _long(len(text)) + text


class Unreadable:
    """Stands in a row for a value that has no printed form; a row that holds one cannot be encoded."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _reason(value: Any) -> str:
    """Why a row cannot be encoded."""
    found = _unreadable(value)
    return found.reason if found is not None else "a value that JSON cannot hold"


def _unreadable(value: Any) -> Unreadable | None:
    if isinstance(value, Unreadable):
        return value
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return next((found for part in inner if (found := _unreadable(part)) is not None), None)


def _nullable(node: AvroType) -> bool:
    return node.kind == "null" or any(branch.kind == "null" for branch in node.branches)


# --- the schema that fastavro gets ---


def _rewritten(root: AvroType, double_as_string: bool, careful: bool) -> dict[str, Any]:
    """The schema of `root` with our logical types; it reads the same bytes."""
    rewriter = _Rewriter(double_as_string, careful)
    fields = [{"name": name, "type": rewriter.schema(part, column=True)} for name, part in root.fields]
    return {"type": "record", "name": "row", "fields": fields}


class _Rewriter:
    def __init__(self, double_as_string: bool, careful: bool) -> None:
        self._double_as_string = double_as_string
        self._careful = careful
        self._names: dict[AvroType, str] = {}

    def schema(self, node: AvroType, column: bool) -> Any:
        """The schema of a type. Timestamps that are a column are printed in another form than nested ones."""
        match node.kind:
            case "union":
                return [self.schema(branch, column) for branch in node.branches]
            case "enum" if not all(map(_SYMBOL.fullmatch, node.symbols)) or len({*node.symbols}) < len(node.symbols):
                # some writers allow symbols that the specification, and fastavro, do not
                return {"type": "int", "logicalType": "airbyte-enum", _SYMBOLS: node.symbols}
            case "record" | "enum" | "fixed":
                if node in self._names:
                    return self._names[node]
                self._names[node] = name = f"t{len(self._names)}"
                return self._named(node, name)
            case "array":
                return {"type": "array", "items": self.schema(node.inner(), False)}
            case "map" if self._careful:
                # a map is written as an array of its entries would be
                self._names[AvroType("map")] = name = f"t{len(self._names)}"
                entry = [
                    {"name": "key", "type": self.schema(AvroType("string"), False)},
                    {"name": "value", "type": self.schema(node.inner(), False)},
                ]
                items = {"type": "record", "name": name, "fields": entry}
                return {"type": "array", "logicalType": "airbyte-map", "items": items}
            case "map":
                return {"type": "map", "values": self.schema(node.inner(), False)}
            case "string":
                logical = "airbyte-uuid" if node.logical else "airbyte-text"
                if self._careful:
                    return {"type": "bytes", "logicalType": logical}
                return {"type": "string", "logicalType": logical} if node.logical else "string"
            case "bytes":
                return {"type": "bytes", **self._logical(node, "text")}
            case "double" if self._double_as_string and column:
                return {"type": "double", "logicalType": "airbyte-text"}
            case "int" | "long" if node.logical:
                nested = "nested-" if "timestamp" in node.logical and not column else ""
                return {"type": node.kind, "logicalType": f"airbyte-{nested}{node.logical}"}
        return node.kind

    def _named(self, node: AvroType, name: str) -> dict[str, Any]:
        if node.kind == "enum":
            return {"type": "enum", "name": name, "symbols": node.symbols}
        if node.kind == "fixed":
            return {"type": "fixed", "name": name, "size": node.size, **self._logical(node, "text")}
        fields = [{"name": field, "type": self.schema(part, False)} for field, part in node.fields]
        return {"type": "record", "name": name, "fields": fields}

    @staticmethod
    def _logical(node: AvroType, otherwise: str) -> dict[str, Any]:
        return {"logicalType": f"airbyte-{node.logical or otherwise}", "scale": node.scale}


# --- values ---

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_YEARS = Unreadable(OUTSIDE_YEARS)
_EXACTLY = Context(prec=1_000_000)
_SYMBOLS = "airbyte-symbols"  # fastavro passes on what it does not know
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _decoded(data: bytes, schema: Any = None, _: Any = None) -> str | Unreadable:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Unreadable("bytes that are not UTF-8 text")


def _enum(index: int, schema: Any, _: Any = None) -> str | Unreadable:
    symbols: list[str] = schema[_SYMBOLS]
    return symbols[index] if 0 <= index < len(symbols) else Unreadable("a symbol that the enum does not have")


def _uuid_text(data: str | bytes, schema: Any = None, _: Any = None) -> str | Unreadable:
    text = data if isinstance(data, str) else _decoded(data)
    if isinstance(text, Unreadable) or _UUID.fullmatch(text):
        return text
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text  # the specification: a logical type that does not fit is ignored


def _uuid_bytes(data: bytes, schema: Any = None, _: Any = None) -> str:
    return str(uuid.UUID(bytes=data))


def _decimal(data: bytes, schema: Any, _: Any = None) -> str:
    return str(Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-schema["scale"], _EXACTLY))


def _big_decimal(data: bytes, schema: Any = None, _: Any = None) -> str | Unreadable:
    """Bytes (the unscaled number), then a number (the scale), both in Avro's encoding."""
    decoder = {"type": "record", "name": "d", "fields": [{"name": "n", "type": "bytes"}, {"name": "s", "type": "int"}]}
    try:
        parts: Any = fastavro.schemaless_reader(io.BytesIO(data), decoder, None)
        return _decimal(parts["n"], {"scale": parts["s"]})
    except Exception:  # fastavro raises what broken data makes it stumble over, of any kind
        return Unreadable("a broken big-decimal")


def _duration(data: bytes, schema: Any = None, _: Any = None) -> str:
    """Months, days and milliseconds as an ISO 8601 duration."""
    months, days, millis = (int.from_bytes(data[i : i + 4], "little") for i in (0, 4, 8))
    return f"P{months}M{days}DT{millis // 1000}.{millis % 1000:03d}S"


def _date(days: int, schema: Any = None, _: Any = None) -> str | Unreadable:
    try:
        return date.fromordinal(days + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
        return _YEARS


def _time_of_day(micros: int) -> str | Unreadable:
    if not 0 <= micros < 86_400_000_000:
        return Unreadable(OUTSIDE_DAY)
    return (datetime.min + timedelta(microseconds=micros)).time().isoformat()


def _timestamp(per_second: int, epoch: datetime, column: bool) -> Callable[[int, Any, Any], str | Unreadable]:
    """Prints a count since 1970: a column with all digits of its unit, nested with six if any is not zero."""
    timespec = ("milliseconds" if per_second == 1000 else "microseconds") if column else "auto"
    micros_per_unit = 1_000_000 // per_second

    @lru_cache(maxsize=4096)
    def text(count: int) -> str | Unreadable:
        try:
            return (epoch + timedelta(microseconds=count * micros_per_unit)).isoformat(timespec=timespec)
        except OverflowError:
            return _YEARS

    return lambda count, schema, _: text(count)


def _timestamp_nanos(epoch: datetime, column: bool) -> Callable[[int, Any, Any], str | Unreadable]:
    zone = "+00:00" if epoch.tzinfo else ""

    def text(count: int, schema: Any, _: Any) -> str | Unreadable:
        micros, nanos = divmod(count, 1000)
        instant = epoch + timedelta(microseconds=micros)  # 64 bits of nanoseconds reach from 1677 to 2262
        if not column and nanos == 0:
            return instant.isoformat()
        return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}{nanos:03d}{zone}"

    return text


def _register() -> None:
    """Tell fastavro our logical types. Their names are our own, so that no other user of fastavro meets them."""
    readers: dict[str, Callable[..., Any]] = {
        "bytes-airbyte-text": _decoded,
        "fixed-airbyte-text": _decoded,
        "string-airbyte-uuid": _uuid_text,
        "bytes-airbyte-uuid": _uuid_text,
        "fixed-airbyte-uuid": _uuid_bytes,
        "bytes-airbyte-decimal": _decimal,
        "fixed-airbyte-decimal": _decimal,
        "bytes-airbyte-big-decimal": _big_decimal,
        "fixed-airbyte-duration": _duration,
        "double-airbyte-text": lambda value, schema, _: str(value),
        "array-airbyte-map": lambda entries, schema, _: {entry["key"]: entry["value"] for entry in entries},
        "int-airbyte-date": _date,
        "int-airbyte-enum": _enum,
        "int-airbyte-time-millis": lambda millis, schema, _: _time_of_day(millis * 1000),
        "long-airbyte-time-micros": lambda micros, schema, _: _time_of_day(micros),
    }
    for local, epoch in (("", _EPOCH), ("local-", _LOCAL_EPOCH)):
        for nested in ("", "nested-"):
            column = not nested
            readers |= {
                f"long-airbyte-{nested}{local}timestamp-millis": _timestamp(1000, epoch, column),
                f"long-airbyte-{nested}{local}timestamp-micros": _timestamp(1_000_000, epoch, column),
                f"long-airbyte-{nested}{local}timestamp-nanos": _timestamp_nanos(epoch, column),
            }
    LOGICAL_READERS.update(readers)


_register()

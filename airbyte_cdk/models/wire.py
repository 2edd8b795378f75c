"""Batches as RECORD lines, and as Python rows.

What a line looks like: nulls at the top level of ``data`` are left out, nested ones are printed; NaN and infinities are
null, their key stays; an integral float keeps its point (``5.0``), so that it is told from an integer. Arrow columns
are printed by `arrow_json`, without a Python object a row; see docs/design/wire.md for what was measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models.batch import Batch, Lines, RowWise
from airbyte_cdk.models.json_text import dumps, loads, quoted, slow_dumps, tell_slow

if TYPE_CHECKING:
    import pyarrow as pa

_OWN_BUFFER = 1 << 20
"""A body of so many bytes is written from where it is."""
_PRINTED_AT_ONCE = 256 << 20
"""Bytes of Arrow data that may go into one buffer. Arrow's text arrays end at 2 GB, and escapes make text longer."""


class EncodeError(ValueError):
    """A record holds a value that has no form in JSON. The text names stream and column, never the value."""


def encode(stream: str, namespace: str | None, batch: Batch, emitted_at: int) -> Lines:
    """The rows of a batch as RECORD messages, one line each, in order.

    May run in several threads at once; Arrow batches are printed without holding the interpreter lock.

    Args:
        stream: Name of the stream.
        namespace: Its namespace, if it has one.
        batch: The rows. Columns of the table that have the name of a constant are left out: the constant counts.
        emitted_at: Milliseconds since 1970, for all of the rows.

    Raises:
        EncodeError: A value has no form in JSON.
    """
    envelope = _envelope(stream, namespace, batch, emitted_at)
    table = batch.table
    buffers: list[Any]
    if batch.num_rows == 0:
        buffers = []
    elif isinstance(table, RowWise):
        buffers = _splice(envelope, table.texts(lambda row: _body(row, batch, stream)))
    else:
        from airbyte_cdk.models.arrow_json import data_of

        where = f"stream {stream!r}" if batch.origin is None else f"stream {stream!r}, {batch.origin}"
        texts = _print(table, lambda part: _messages(part, batch, envelope), where, batch.first_row)
        buffers = list(map(data_of, texts))
    return Lines(stream, namespace, batch.num_rows, buffers)


def rows(batch: Batch) -> Iterator[dict[str, Any]]:
    """The rows of a batch as Python mappings, in order.

    They are what a reader of the lines would see, except that nulls are kept as None and NaN and infinities as floats.
    The constants are included.

    Raises:
        EncodeError: A value has no form in JSON.
    """
    if batch.wrap is None and not batch.constants:
        yield from _plain_rows(batch)
        return
    for row in _plain_rows(batch):
        if batch.wrap is not None:
            row = {batch.wrap: row}
        row.update(batch.constants)
        yield row


def line_width(schema: pa.Schema) -> int:
    """About how many bytes of a line are not values: the envelope with the metadata columns, and the column names.

    Keys inside lists are counted once.
    """
    return 260 + sum(_field_width(field) for field in schema)


def _field_width(field: pa.Field) -> int:
    inner = [field.type.field(number) for number in range(field.type.num_fields)]
    return len(field.name.encode()) + 6 + sum(map(_field_width, inner))


@dataclasses.dataclass(frozen=True, slots=True)
class _Envelope:
    """What is printed around the columns of a row: `before`, columns, (comma), `constants`, `after`."""

    before: str
    constants: str
    after: str


def _envelope(stream: str, namespace: str | None, batch: Batch, emitted_at: int) -> _Envelope:
    before = f'{{"type":"RECORD","record":{{"stream":{quoted(stream)},"data":{{'
    after = f'}},"emitted_at":{emitted_at}'
    if namespace is not None:
        after += f',"namespace":{quoted(namespace)}'
    after += "}}\n"
    constants = ",".join(f"{quoted(name)}:{quoted(text)}" for name, text in batch.constants.items())
    if batch.wrap is None:
        return _Envelope(before, constants, after)
    comma = "," if constants else ""
    return _Envelope(f"{before}{quoted(batch.wrap)}:{{", "", f"}}{comma}{constants}{after}")


# Arrow


def _print(
    table: pa.RecordBatch, one_array: Callable[[pa.RecordBatch], pa.StringArray], where: str, first_row: int | None
) -> Iterator[pa.StringArray]:
    """Texts of the rows, by `one_array`: it fails if they are too long for one Arrow array, or if one has no form."""
    import pyarrow as pa

    count = table.num_rows
    if count == 1 or _size(table) <= _PRINTED_AT_ONCE:
        try:
            yield one_array(table)
            return
        except MemoryError:
            raise
        except (pa.ArrowException, NotImplementedError, ValueError) as error:
            # Arrow has many names for a text array of more than 2 GB; halves of halves find what is wrong
            if count == 1:
                raise _no_form(table, where if first_row is None else f"{where}, row {first_row} (from 0)") from error
    half = count // 2
    yield from _print(table.slice(0, half), one_array, where, first_row)
    yield from _print(table.slice(half), one_array, where, None if first_row is None else first_row + half)


def _size(table: pa.RecordBatch) -> int:
    from airbyte_cdk.models.arrow_kinds import dense_bytes

    return sum(map(dense_bytes, table.columns))


def _messages(table: pa.RecordBatch, batch: Batch, envelope: _Envelope) -> pa.StringArray:
    from airbyte_cdk.models import arrow_json

    names, length = table.schema.names, table.num_rows
    if batch.wrap is not None:
        inner = arrow_json.members(names, table.columns, length, keep_nulls=True)
    else:
        kept = [number for number, name in enumerate(names) if name not in batch.constants]
        columns = [table.column(number) for number in kept]
        more = bool(envelope.constants)
        inner = arrow_json.members([names[number] for number in kept], columns, length, keep_nulls=False, more=more)
    return arrow_json.join([envelope.before, *inner, envelope.constants + envelope.after], length, null="")


def _objects(table: pa.RecordBatch) -> pa.StringArray:
    from airbyte_cdk.models import arrow_json

    names, length = table.schema.names, table.num_rows
    inner = arrow_json.members(names, table.columns, length, keep_nulls=True, spell_nan=True)
    return arrow_json.join(["{", *inner, "}\n"], length)


def _no_form(table: pa.RecordBatch, where: str) -> EncodeError:
    """The error for a row that could not be printed, after a look for the column."""
    import pyarrow as pa

    from airbyte_cdk.models import arrow_json
    from airbyte_cdk.models.arrow_kinds import Unprintable

    for name, column in zip(table.schema.names, table.columns, strict=True):
        try:
            arrow_json.text(column)
        except (pa.ArrowException, NotImplementedError, ValueError) as error:
            reason = str(error) if isinstance(error, Unprintable | NotImplementedError) else "the value has no text"
            return EncodeError(f"{where}, column {name!r} of type {column.type}: {reason}")
    return EncodeError(f"{where}: the record is too long")


# JSON text


def _splice(envelope: _Envelope, bodies: Sequence[bytes]) -> list[Any]:
    before, constants, after = (part.encode() for part in (envelope.before, envelope.constants, envelope.after))
    tail = (b"," if constants else b"") + constants + after
    if max(map(len, bodies)) < _OWN_BUFFER and not (constants and b"" in bodies):
        # one copy for all: too much is joined at either end, and not written
        joined = (tail + before).join((b"", *bodies, b""))
        return [memoryview(joined)[len(tail) : len(joined) - len(before)]]
    buffers: list[Any] = []
    pending: list[bytes] = []
    for body in bodies:
        if len(body) < _OWN_BUFFER:
            pending += (before, body, tail) if body else (before, constants, after)
        else:
            buffers += (b"".join((*pending, before)), body)
            pending = [tail]
    return [*buffers, b"".join(pending)]


# Python rows


def body(stream: str, record: Mapping[str, Any]) -> bytes:
    """The columns of a record of `stream` as a body of `JsonLines`: nulls at the top level are left out.

    Raises:
        EncodeError: A value has no form in JSON.
    """
    if type(record) is not dict or None in record.values():
        record = {name: value for name, value in record.items() if value is not None}
    return _text(record, stream)


def _body(record: Mapping[str, Any], batch: Batch, stream: str) -> bytes:
    """JSON text between the braces of one Python row."""
    keep_nulls, constants = batch.wrap is not None, batch.constants if batch.wrap is None else ()
    if not constants and not keep_nulls:
        return body(stream, record)
    row = {name: value for name, value in record.items() if (value is not None or keep_nulls) and name not in constants}
    return _text(row, stream)


def _text(row: Mapping[str, Any], stream: str) -> bytes:
    try:
        return dumps(row)[1:-1]
    except TypeError:
        pass
    try:
        body = slow_dumps(row)[1:-1]
    except (TypeError, ValueError) as error:
        raise EncodeError(f"stream {stream!r}, {_reason(row)}") from error
    tell_slow(f"Stream {stream}")
    return body


def _reason(row: Mapping[Any, Any]) -> str:
    """Which column of a row has no form in JSON, and why."""
    for name, value in row.items():
        try:
            slow_dumps({name: value})
        except TypeError as error:
            return f"column {name!r}: a value (or key) of type {error} has no form in JSON"
        except ValueError as error:
            return f"column {name!r}: {error}"
    return "a value has no form in JSON"


# Rows from Arrow


def _plain_rows(batch: Batch) -> Iterator[dict[str, Any]]:
    """The rows without constants and wrap."""
    table = batch.table
    return table.records() if isinstance(table, RowWise) else _arrow_rows(table, batch)


def _arrow_rows(table: pa.RecordBatch, batch: Batch, step: int = 1024) -> Iterator[dict[str, Any]]:
    import msgspec
    import pyarrow as pa

    from airbyte_cdk.models.arrow_json import data_of

    exact = any(map(_holds_json_text, table.schema.types))
    decoder = msgspec.json.Decoder(dict[str, Any])
    for start in range(0, table.num_rows, step):
        row = None if batch.first_row is None else batch.first_row + start
        for lines in _print(table.slice(start, step), _objects, batch.origin or "a batch", row):
            try:
                found: Iterable[dict[str, Any]] = decoder.decode_lines(data_of(lines))
            except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):  # one must be read with care
                found = (loads(line, exact) for line in lines.cast(pa.binary()).to_pylist())
            yield from found


def _holds_json_text(kind: pa.DataType) -> bool:
    """Whether integers may be longer than those of Arrow."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _holds_json_text(kind.value_type)
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return isinstance(kind, pa.JsonType) or any(map(_holds_json_text, inner))

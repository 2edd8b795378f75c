"""What travels from a parser to standard output: many rows at once, never one object a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa


class JsonLines:
    """Rows that are kept as validated JSON text.

    Args:
        bodies: One entry a row: the UTF-8 text *between* the braces of one valid JSON object (``b'"a":1,"b":2'``),
            without surrounding blanks and without a line break. ``b""`` is the empty object. No top-level key
            occurs twice, and none is the name of a column in `Batch.constants`. No top-level value is null, unless
            the batch is wrapped (`Batch.wrap`).
    """

    __slots__ = ("bodies", "nbytes")

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.bodies = bodies
        self.nbytes = sum(map(len, bodies))

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.bodies)


class Rows:
    """Rows as Python objects: what a per-record hook of a connector returns.

    Args:
        records: One mapping from column name to JSON-like value a row.
    """

    __slots__ = ("nbytes", "records")

    def __init__(self, records: Sequence[Mapping[str, Any]], nbytes: int = 0) -> None:
        self.records = records
        self.nbytes = nbytes or 200 * len(records)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.records)


Table: TypeAlias = "pa.RecordBatch | JsonLines | Rows"


@dataclass(slots=True)
class Batch:
    """Rows of one stream, in order, ready to be written as RECORD messages.

    Attributes:
        table: The rows. A column of an Arrow batch is typed, or of type ``pa.json_()`` (the canonical Arrow JSON
            extension): then each cell is JSON text that is written verbatim, and a null cell is a null value.
        constants: Columns that hold one text in every row (the metadata columns). They are printed last, in order.
            `table` has no column of these names.
        wrap: If given, each row is printed as the value of one column of this name (schemaless streams), beside the
            constants; its nulls are then nested, and so are printed.
        origin: Where the rows come from: uri of the file, for error messages.
        first_row: Number of the first row in its origin, from 0; None if unknown.
    """

    table: Table
    constants: Mapping[str, str] = field(default_factory=dict)
    wrap: str | None = None
    origin: str | None = None
    first_row: int | None = None

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.table.num_rows

    @property
    def nbytes(self) -> int:
        """Bytes that the rows hold in memory."""
        return self.table.nbytes


@dataclass(slots=True)
class Lines:
    """RECORD messages of one stream as finished output lines.

    Attributes:
        stream: Name of the stream.
        namespace: Its namespace, or None.
        num_rows: Number of lines.
        buffers: UTF-8 text (bytes or any contiguous buffer), to be written one after the other; together they hold
            `num_rows` lines, each ended by one newline.
    """

    stream: str
    namespace: str | None
    num_rows: int
    buffers: Sequence[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of all lines."""
        return sum(memoryview(b).nbytes for b in self.buffers)

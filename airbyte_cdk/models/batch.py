"""What travels from a parser to standard output: many rows at once, never one object a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from airbyte_cdk.models.json_text import loads_bodies

if TYPE_CHECKING:
    import pyarrow as pa


class RowWise(ABC):
    """A table that is kept row by row; the others are Arrow's record batches.

    Attributes:
        nbytes: Bytes that the rows hold in memory, about.
    """

    __slots__ = ("nbytes",)

    nbytes: int

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """Number of rows."""

    @abstractmethod
    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as Python mappings, in order; each is the caller's own."""

    @abstractmethod
    def texts(self, body: Callable[[Mapping[str, Any]], bytes]) -> Sequence[bytes]:
        """The rows as bodies (see `JsonLines`), those that are Python objects by way of `body`."""

    @abstractmethod
    def kept(self, mask: Sequence[bool]) -> RowWise:
        """The rows for which `mask`, one value a row, is true."""


class JsonLines(RowWise):
    """Rows that are kept as validated JSON text.

    Args:
        bodies: One entry a row: the UTF-8 text *between* the braces of one valid JSON object (``b'"a":1,"b":2'``),
            without surrounding blanks and without a line break. ``b""`` is the empty object. No top-level key
            occurs twice, and none is the name of a column in `Batch.constants`. No top-level value is null, unless
            the batch is wrapped (`Batch.wrap`).
    """

    __slots__ = ("bodies",)

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.bodies = bodies
        self.nbytes = sum(map(len, bodies))

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.bodies)

    def records(self) -> Iterator[dict[str, Any]]:
        """See `RowWise.records`; integers have any size, other numbers are floats."""
        return loads_bodies(self.bodies)

    def texts(self, body: Callable[[Mapping[str, Any]], bytes]) -> Sequence[bytes]:
        """See `RowWise.texts`."""
        return self.bodies

    def kept(self, mask: Sequence[bool]) -> JsonLines:
        """See `RowWise.kept`."""
        return JsonLines(list(compress(self.bodies, mask)))


class Rows(RowWise):
    """Rows as Python objects: what a per-record hook of a connector returns.

    Args:
        rows: One mapping from column name to JSON-like value a row.
        nbytes: About how long their JSON text is, if that is known.
        fresh: Whether they are dicts that nobody else has, so that who takes the records may have them.
    """

    __slots__ = ("_fresh", "rows")

    def __init__(self, rows: Sequence[Mapping[str, Any]], nbytes: int | None = None, *, fresh: bool = False) -> None:
        self.rows = rows
        self._fresh = fresh
        self.nbytes = sum(map(text_size, rows)) if nbytes is None else nbytes

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def records(self) -> Iterator[dict[str, Any]]:
        """See `RowWise.records`."""
        return iter(cast("Sequence[dict[str, Any]]", self.rows)) if self._fresh else map(dict, self.rows)

    def texts(self, body: Callable[[Mapping[str, Any]], bytes]) -> Sequence[bytes]:
        """See `RowWise.texts`."""
        return list(map(body, self.rows))

    def kept(self, mask: Sequence[bool]) -> Rows:
        """See `RowWise.kept`."""
        return Rows(list(compress(self.rows, mask)), fresh=self._fresh)


def text_size(value: Any) -> int:
    """About how many bytes the JSON text of a Python value has; for a budget, not to the byte."""
    size = 0
    waiting = [value]
    counted: set[int] = set()  # containers: one may contain itself
    while waiting:
        value = waiting.pop()
        size += 10
        if isinstance(value, str | bytes):
            size += len(value)
        elif isinstance(value, Mapping | list | tuple) and id(value) not in counted:
            counted.add(id(value))
            if isinstance(value, Mapping):
                size += sum(map(len, map(str, value)))
                waiting.extend(value.values())
            else:
                waiting.extend(value)
    return size


Table: TypeAlias = "pa.RecordBatch | RowWise"


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
        """About how many bytes the rows hold in memory, without dictionaries, which their lines do not have either."""
        if isinstance(self.table, RowWise):
            return self.table.nbytes
        from airbyte_cdk.models.arrow_kinds import dense_bytes

        return sum(map(dense_bytes, self.table.columns))


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

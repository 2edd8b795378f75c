"""The fast CSV reader: pyarrow over one block, all cells as text."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as arrow_csv

from airbyte_cdk.sources.file_based.parsers.csv_blocks import Block
from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect, is_utf8


class FastReader:
    """Reads blocks of one file, or refuses them as a whole.

    Args:
        dialect: The grammar of the file.
        width: Number of columns.
        blanks: Number of further cells of each row, all blank.
        wanted: Positions of the columns that are needed; the others are only counted.
    """

    def __init__(self, dialect: Dialect, width: int, blanks: int, wanted: Sequence[int]) -> None:
        names = [str(position) for position in range(width + blanks)]
        self._dialect = dialect
        self._names = names
        self._wanted = [names[position] for position in wanted]
        self._blank = names[width:]
        include = self._wanted + self._blank
        self._convert = arrow_csv.ConvertOptions(
            check_utf8=False,  # the whole block is checked, whatever columns are wanted
            column_types={name: pa.string() for name in names},
            null_values=[],
            strings_can_be_null=False,
            include_columns=include or names[:1],
        )

    def read(self, block: Block) -> list[pa.Array] | None:
        """The wanted columns as arrays of type string; None if the exact reader must read the block.

        That is when a row has too many or too few cells, text under a blank header, or bytes that are not UTF-8, or
        when the two readers might differ (`Dialect.parse_options`).
        """
        parse = self._dialect.parse_options(block.data)
        if parse is None or not is_utf8(block.data):
            return None
        read = arrow_csv.ReadOptions(use_threads=False, block_size=len(block.data) + 1, column_names=self._names)
        try:
            table = arrow_csv.read_csv(pa.BufferReader(block.data), read, parse, self._convert)
        except pa.ArrowInvalid:
            return None
        for name in self._blank:
            if any(text.strip() for text in table[name].unique().to_pylist()):
                return None
        if not self._wanted:
            return [pa.nulls(table.num_rows, pa.string())]
        return [_one(table[name]) for name in self._wanted]


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

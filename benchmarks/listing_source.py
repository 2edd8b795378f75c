"""A connector whose files exist only as a listing: what a listing and a state of a million files cost.

    python listing_source.py state --files 1000000 > state.json
    python listing_source.py read --config config.json --catalog catalog.json --state state.json

Config: `{"files": number, "late": number, "streams": [...]}`: `files` one-row CSV files, a second apart, in folders of
1,000, and `late` more whose time is older than all of the others. Listed through the framework's own glob matching.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.file_based_source import FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.file_cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

FIRST = datetime(2024, 1, 1)


class Spec(AbstractFileBasedSpec):
    files: int
    late: int = 0

    @classmethod
    def documentation_url(cls) -> Any:
        return "https://example.com"


def listing(files: int, late: int = 0) -> Iterator[RemoteFile]:
    for i in range(files):
        uri = f"events/day={i // 1000:05}/part-{i:08}.csv"
        yield RemoteFile(uri=uri, last_modified=FIRST + timedelta(seconds=i))
    for i in range(late):
        yield RemoteFile(uri=f"events/late/part-{i:08}.csv", last_modified=FIRST - timedelta(days=1 + i))


class ListingReader(AbstractFileBasedStreamReader):
    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        yield from self.filter_files_by_globs_and_start_date(listing(self.config.files, self.config.late), globs)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        return io.BytesIO(b"id\n1\n")


def print_state(files: int) -> None:
    """The state after a sync of so many files, as the `--state` of the next one."""
    stream_config = {"name": "events", "globs": ["events/**/*.csv"], "format": {"filetype": "csv"}}
    cursor = DefaultFileBasedCursor(FileBasedStreamConfig.parse_obj(stream_config))
    for file in listing(files):
        cursor.add_file(file)
    stream = {"stream_descriptor": {"name": "events"}, "stream_state": dict(cursor.get_state())}
    json.dump([{"type": "STREAM", "stream": stream}], sys.stdout)


def main(args: list[str]) -> None:
    if args[0] == "state":
        print_state(int(args[-1]))
        return
    path = AirbyteEntrypoint.extract_catalog(args)
    source = FileBasedSource(
        ListingReader(),
        Spec,
        FileBasedSource.read_catalog(path) if path else None,
        None,
        None,
        cursor_cls=DefaultFileBasedCursor,
    )
    launch(source, args)


if __name__ == "__main__":
    main(sys.argv[1:])

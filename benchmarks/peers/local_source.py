"""A connector for local files, written against the published API only: it runs on the original and on this library.

    python local_source.py read --config config.json --catalog catalog.json

Config: `{"root": folder, "streams": [...]}`. The environment variable `LEVEL` sets `_concurrency_level`.
"""

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import IOBase
from logging import Logger
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.file_based_source import FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor


class Spec(AbstractFileBasedSpec):
    root: str

    @classmethod
    def documentation_url(cls) -> Any:
        return "https://example.com"


class LocalReader(AbstractFileBasedStreamReader):
    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: Logger) -> Iterable[RemoteFile]:
        root = self.config.root

        def files() -> Iterable[RemoteFile]:
            for folder, _, names in os.walk(root):
                for name in names:
                    path = os.path.join(folder, name)
                    changed = datetime.fromtimestamp(os.stat(path).st_mtime, UTC).replace(tzinfo=None)
                    yield RemoteFile(uri=os.path.relpath(path, root), last_modified=changed)

        yield from self.filter_files_by_globs_and_start_date(files(), globs)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: Logger) -> IOBase:
        return open(os.path.join(self.config.root, file.uri), mode.value, encoding=encoding)


class LocalSource(FileBasedSource):
    _concurrency_level = int(os.environ["LEVEL"]) if "LEVEL" in os.environ else None

    def __init__(self, catalog: Any, config: Any, state: Any) -> None:
        super().__init__(
            stream_reader=LocalReader(),
            spec_class=Spec,
            catalog=catalog,
            config=config,
            state=state,
            cursor_cls=DefaultFileBasedCursor,
        )


def main(args: list[str]) -> None:
    config = AirbyteEntrypoint.extract_config(args) if args[0] != "spec" else None
    catalog = AirbyteEntrypoint.extract_catalog(args) if args[0] == "read" else None
    state = AirbyteEntrypoint.extract_state(args) if args[0] == "read" else None
    source = LocalSource(
        LocalSource.read_catalog(catalog) if catalog else None,
        LocalSource.read_config(config) if config else None,
        LocalSource.read_state(state) if state else None,
    )
    launch(source, args)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The suite for stream readers finds what it is there to find, and holds gaps to being gaps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

READERS = '''
import io
from datetime import datetime, timedelta
from urllib.parse import unquote

import pytest

from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.stream_reader_suite import StorageUnderTest, StreamReaderSuite


class Reader(AbstractFileBasedStreamReader):
    """A whole reader over a dict."""

    def __init__(self):
        super().__init__()
        self.files, self.forbidden = {}, set()

    @property
    def config(self):
        return self._config

    @config.setter
    def config(self, value):
        self._config = value

    def put(self, uri, data, modified=None):
        self.files[uri] = data, modified or datetime.utcnow()

    def forbid(self, uri):
        self.forbidden.add(uri)
        return self

    def listed(self):
        return [(u, m) for u, (d, m) in list(self.files.items()) if d or not u.endswith("/")]

    def get_matching_files(self, globs, prefix, logger):
        files = [RemoteFile(uri=u, last_modified=m) for u, m in self.listed() if u.startswith(prefix or "")]
        yield from self.filter_files_by_globs_and_start_date(files, globs)

    def content(self, uri):
        if uri in self.forbidden:
            raise PermissionError(uri)
        return self.files[uri][0]

    def open_file(self, file, mode, encoding, logger):
        handle = io.BytesIO(self.content(file.uri))
        return io.TextIOWrapper(handle, encoding=encoding) if mode is FileReadMode.READ else handle


class Decodes(Reader):
    def content(self, uri):
        return super().content(unquote(uri) if unquote(uri) in self.files else uri)


class OnePage(Reader):
    def listed(self):
        return super().listed()[:1000]


class OtherZone(Reader):
    def listed(self):
        return [(uri, modified + timedelta(hours=2)) for uri, modified in super().listed()]


class EmptyIfGone(Reader):
    def content(self, uri):
        return super().content(uri) if uri in self.files else b""


class GivesMarkers(Reader):
    def listed(self):
        return [(uri, modified) for uri, (data, modified) in list(self.files.items())]


class Torn(Reader):
    """Its handles see a file that changes."""

    def open_file(self, file, mode, encoding, logger):
        handle, content = super().open_file(file, mode, encoding, logger), self.content
        if mode is FileReadMode.READ:
            return handle

        class Handle(io.BytesIO):
            def read(self, n=-1):
                handle = io.BytesIO(content(file.uri))
                handle.seek(self.tell())
                data = handle.read(n)
                self.seek(handle.tell())
                return data

        return Handle(handle.read())


ARCHIVES = dict.fromkeys(["zip", "tar.gz"], "gives archives as they are")


def suite(reader_class, extra_gaps=None):
    class Suite(StreamReaderSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def storage(cls):
            reader = reader_class()
            gaps = {**ARCHIVES, **(extra_gaps or {})}
            return StorageUnderTest(
                reader, reader.put, lambda uri: reader.files.pop(uri), reader_class(), reader.forbid, True, gaps=gaps
            )

    return Suite


TestWhole = suite(Reader)
TestFalseGap = suite(Reader, {"plus": "it is said not to work"})
TestUnknownGap = suite(Reader, {"plsu": "a slip"})
TestDecodes, TestOnePage, TestOtherZone, TestEmptyIfGone, TestGivesMarkers, TestTorn = map(
    suite, [Decodes, OnePage, OtherZone, EmptyIfGone, GivesMarkers, Torn]
)
'''

FOUND = {
    "Whole": set(),
    "FalseGap": {"odd_keys[plus]"},
    "UnknownGap": {"gaps_are_of_known_cases"},
    "Decodes": {"odd_keys[spaces]", "odd_keys[percent_escape]", "odd_keys[plus]"},
    "OnePage": {"several_pages"},
    "OtherZone": {"time_of_a_new_file", "times[in_winter]", "times[in_summer]", "times[before_2000]"},
    "EmptyIfGone": {"missing_file", "file_that_vanishes"},
    "GivesMarkers": {"folder_markers"},
    "Torn": {
        "file_that_changes_while_it_is_read[replaced_while_read]",
        "file_that_changes_between_ranges[replaced_between_ranges]",
    },
}
"""Tests that must fail for a reader."""
EXACT = ["Whole", "FalseGap", "UnknownGap", "EmptyIfGone", "GivesMarkers"]
"""Readers for which no other test may fail."""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that failed, by reader."""
    folder: Path = tmp_path_factory.mktemp("suite")
    (folder / "test_readers.py").write_text(READERS)
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", "test_readers.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    found: dict[str, set[str]] = {name: set() for name in FOUND}
    for reader, test in re.findall(r"^FAILED test_readers\.py::Test(\w+)::test_(\S+)", done.stdout, re.MULTILINE):
        found[reader].add(test)
    return found


@pytest.mark.parametrize("reader", FOUND)
def test_faults_are_found(failures: dict[str, set[str]], reader: str) -> None:
    assert failures[reader] >= FOUND[reader]


@pytest.mark.parametrize("reader", EXACT)
def test_nothing_else_is_found(failures: dict[str, set[str]], reader: str) -> None:
    assert failures[reader] == FOUND[reader]

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import logging
import lzma
import os
import random
import sys
import zlib
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based import compression
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError
from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream, open_bytes, open_random
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LOGGER = logging.getLogger("test_handles")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
CONTENT = b"".join(b'{"row":%d,"noise":"%x"}\n' % (i, random.Random(i).getrandbits(80)) for i in range(20_000))
HALF = len(CONTENT) // 2
SKIPPABLE = b"\x52\x2a\x4d\x18\x03\x00\x00\x00abc"

each_format = pytest.mark.parametrize("suffix", list(COMPRESS))


class MinimalHandle:
    """Has nothing but what published connectors' handles are sure to have."""

    def __init__(self, data: bytes, most: int = 1 << 62) -> None:
        self._file = io.BytesIO(data)
        self._most = most
        self.closed = False

    def read(self, n: int) -> bytes:
        assert n > 0
        return self._file.read(min(n, self._most))

    def close(self) -> None:
        self.closed = True


class Reader:
    def __init__(self, *handles: Any) -> None:
        self._handles = list(handles)
        self.opened = 0

    def open_file(self, file: RemoteFile, mode: Any, encoding: str | None, logger: logging.Logger) -> Any:
        assert mode.value == "rb"
        self.opened += 1
        return self._handles.pop(0)


def a_file(uri: str = "a.jsonl") -> RemoteFile:
    return RemoteFile(uri=uri, last_modified=datetime(2024, 1, 1))


def content_of(handle: Any, uri: str = "a.jsonl", n: int = 100_000, encoding: str = "utf-8") -> bytes:
    with open_bytes(a_file(uri), Reader(handle), LOGGER, encoding) as stream:
        return b"".join(iter(lambda: stream.read(n), b""))


def broken_content_of(data: bytes, uri: str = "a.jsonl", n: int = 100_000) -> tuple[bytes, BrokenStream]:
    got = []
    with open_bytes(a_file(uri), Reader(MinimalHandle(data)), LOGGER) as stream:
        with pytest.raises(BrokenStream) as broken:
            got.extend(iter(lambda: stream.read(n), b""))
        with pytest.raises(BrokenStream):
            stream.read(1)
    assert all(got)
    return b"".join(got), broken.value


# --- What is decompressed -------------------------------------------------------------------------------------------


@each_format
def test_recognised_by_its_first_bytes_whatever_the_name(suffix: str) -> None:
    assert content_of(MinimalHandle(COMPRESS[suffix](CONTENT)), uri="plain.jsonl") == CONTENT


@each_format
def test_a_name_alone_decides_nothing(suffix: str) -> None:
    assert content_of(MinimalHandle(CONTENT), uri="a.jsonl" + suffix) == CONTENT


@each_format
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([CONTENT[:HALF], CONTENT[HALF:]], id="two members"),
        pytest.param([b"", CONTENT, b"", b""], id="empty members"),
        pytest.param([CONTENT[i : i + 50] for i in range(0, HALF // 4, 50)], id="many members"),
    ],
)
@pytest.mark.parametrize("padding", [b"", b"\0" * 4096])
def test_all_members_are_read(suffix: str, parts: list[bytes], padding: bytes) -> None:
    data = b"".join(COMPRESS[suffix](part) for part in parts) + padding
    assert content_of(MinimalHandle(data)) == b"".join(parts)


def test_skippable_zstandard_frames_are_skipped() -> None:
    data = SKIPPABLE + zstd.compress(CONTENT[:HALF]) + SKIPPABLE + zstd.compress(CONTENT[HALF:]) + SKIPPABLE
    assert content_of(MinimalHandle(data)) == CONTENT
    assert content_of(MinimalHandle(SKIPPABLE)) == b""


@each_format
def test_a_compressed_empty_file_is_empty(suffix: str) -> None:
    assert content_of(MinimalHandle(COMPRESS[suffix](b""))) == b""
    assert content_of(MinimalHandle(b""), uri="a" + suffix) == b""


@pytest.mark.parametrize(
    "text", [b"BZh9 is how bzip2 begins\n", b"BZh91AY", b"P*M", b"\x1f\x8b\x09 text", b"(", b"\xfd7zXZ"]
)
def test_text_that_looks_like_a_compressed_file_is_not_taken_for_one(text: bytes) -> None:
    assert content_of(MinimalHandle(text), uri="a.txt") == text


@given(
    parts=st.lists(
        st.binary(max_size=2000) | st.builds(lambda b, n: b * n, st.binary(max_size=3), st.integers(0, 10**6))
    ),
    suffix=st.sampled_from(list(COMPRESS)),
    most=st.integers(1, 5000),
    n=st.integers(1, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_any_members_and_any_sizes_of_reads(parts: list[bytes], suffix: str, most: int, n: int) -> None:
    data = b"".join(COMPRESS[suffix](part) for part in parts)
    n = max(n, len(data) // 1000)
    assert content_of(MinimalHandle(data, most), n=n) == b"".join(parts)


def test_reads_are_exact_until_the_end() -> None:
    with open_bytes(a_file(), Reader(MinimalHandle(gzip.compress(CONTENT), most=1000)), LOGGER) as stream:
        assert len(stream.read(300_000)) == 300_000
        assert stream.read(0) == b""
        assert stream.read(7) == CONTENT[300_000:300_007]
        buffer = bytearray(10)
        assert stream.readinto(buffer) == 10
        assert buffer == CONTENT[300_007:300_017]
        assert stream.read(-1) == CONTENT[300_017:]
        assert stream.read(1) == b""


def test_it_serves_a_buffered_reader() -> None:
    with open_bytes(a_file(), Reader(MinimalHandle(bz2.compress(CONTENT))), LOGGER) as stream:
        assert list(io.BufferedReader(stream)) == CONTENT.splitlines(keepends=True)


def one_byte_at_a_time(data: bytes) -> bytes:
    inflate = zlib.decompressobj(31)
    decoded = bytearray()
    with suppress(zlib.error):
        for i in range(len(data)):
            decoded += inflate.decompress(data[i : i + 1])
    return bytes(decoded)


# --- What is broken -------------------------------------------------------------------------------------------------


@each_format
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("kept", [0.999, 0.6, 0.0003])
def test_all_that_a_truncated_file_holds_is_handed_out_first(suffix: str, members: int, kept: float) -> None:
    step = len(CONTENT) // members + 1
    data = b"".join(COMPRESS[suffix](CONTENT[i : i + step]) for i in range(0, len(CONTENT), step))
    data = data[: int(len(data) * kept)]
    got, broken = broken_content_of(data, n=1 << 20)
    assert CONTENT.startswith(got)
    assert broken.offset == len(got)
    assert f"breaks off at byte {len(data)}" in broken.reason
    # given little by little, the decoder gives the same
    slowly = 0
    [member] = [codec.new_member for codec in compression.CODECS if codec.suffix == suffix]
    decoder = member()
    while data:
        piece, data = data[:100], data[100:]
        slowly += len(decoder.decompress(piece, 1 << 30))
        if decoder.eof:
            data = decoder.unused_data + data
            decoder = member()
    assert len(got) == slowly


@each_format
def test_a_name_says_that_a_file_cut_inside_its_first_bytes_is_broken(suffix: str) -> None:
    got, broken = broken_content_of(COMPRESS[suffix](CONTENT)[:2], uri="a.csv" + suffix.upper())
    assert (got, broken.offset) == (b"", 0)


@each_format
def test_what_follows_the_compressed_data_is_not_passed_over(suffix: str) -> None:
    data = COMPRESS[suffix](CONTENT)
    got, broken = broken_content_of(data + b"\0\0garbage")
    assert got == CONTENT
    assert broken.offset == len(CONTENT)
    assert broken.reason.endswith(f"ends at byte {len(data) + 2} of the file, and something else follows")


@each_format
def test_a_damaged_file_gives_what_can_be_decoded(suffix: str) -> None:
    data = bytearray(COMPRESS[suffix](CONTENT))
    for i in range(len(data) // 2, len(data) // 2 + 40):
        data[i] ^= 0xA5
    got, broken = broken_content_of(bytes(data))
    assert broken.offset == len(got)
    assert "is damaged before byte" in broken.reason
    assert len(got) < len(CONTENT)


def test_a_gzip_file_with_a_wrong_checksum_gives_all_its_bytes_and_an_error() -> None:
    data = bytearray(gzip.compress(CONTENT))
    data[-8] ^= 1
    got, broken = broken_content_of(bytes(data))
    assert got == CONTENT
    assert "incorrect data check" in broken.reason


def test_a_damaged_gzip_file_gives_the_same_as_one_byte_at_a_time() -> None:
    data = bytearray(gzip.compress(CONTENT[:30_000]))
    data[len(data) // 3] ^= 0xFF
    got, _ = broken_content_of(bytes(data))
    assert got == one_byte_at_a_time(bytes(data))


# --- Kinds of handles -----------------------------------------------------------------------------------------------


def test_a_handle_without_context_manager_is_closed() -> None:
    handle = MinimalHandle(CONTENT)
    content_of(handle)
    assert handle.closed


def test_a_context_manager_that_gives_the_handle() -> None:
    left = []

    @contextmanager
    def opened() -> Any:
        yield MinimalHandle(CONTENT)
        left.append(True)

    assert content_of(opened()) == CONTENT
    assert left == [True]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_is_encoded_back(encoding: str) -> None:
    text = "a,b\nä,é\n" * 1000
    expected = text.encode(encoding)
    assert content_of(io.StringIO(text), encoding=encoding) == expected
    assert codecs.decode(content_of(io.StringIO(text), encoding=encoding, n=7), encoding) == text


def test_a_lone_surrogate_in_text_is_left_for_the_parser_to_reject() -> None:
    assert content_of(io.StringIO("a\ud800b")) == b"a\xed\xa0\x80b"


def test_bytes_like_data_is_taken() -> None:
    class Handle(MinimalHandle):
        def read(self, n: int) -> Any:
            return bytearray(super().read(n))

    assert content_of(Handle(CONTENT)) == CONTENT


@pytest.mark.parametrize("open_it", [open_bytes, open_random])
@pytest.mark.parametrize(("handle", "what"), [(None, "nothing"), (object(), "a object, which cannot be read,")])
def test_no_handle_is_an_error_that_names_the_file(open_it: Any, handle: Any, what: str) -> None:
    with pytest.raises(OSError, match=r"b/c\.csv") as error, open_it(a_file("b/c.csv"), Reader(handle), LOGGER):
        pass
    assert FileBasedSourceError.ERROR_READING_FILE.value in str(error.value)
    assert f"returned {what} for file" in str(error.value)


def test_a_handle_that_gives_something_else_is_an_error() -> None:
    class Handle(MinimalHandle):
        def read(self, n: int) -> Any:
            return None

    with pytest.raises(OSError, match=r"a\.jsonl gave NoneType, not bytes"):
        content_of(Handle(b""))


def test_errors_of_the_storage_pass_unchanged() -> None:
    error = ConnectionError("reset")

    class Handle(MinimalHandle):
        def read(self, n: int) -> bytes:
            data = super().read(min(n, 20_000))
            if not data:
                raise error
            return data

    for data in (CONTENT, gzip.compress(CONTENT)):
        with pytest.raises(ConnectionError) as raised:
            content_of(Handle(data))
        assert raised.value is error


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", None])
def test_a_reader_that_refuses_bytes_is_asked_for_text(encoding: str | None) -> None:
    class TextReader:
        def open_file(self, file: RemoteFile, mode: Any, encoding: str | None, logger: logging.Logger) -> Any:
            if mode.value != "r":
                raise ValueError("only text can be read")
            return io.TextIOWrapper(io.BytesIO("größer\r\n".encode(encoding or "ascii")), encoding, newline="")

    if encoding is None:  # of a format that is no text
        with pytest.raises(ValueError, match="only text"), open_bytes(a_file(), TextReader(), LOGGER):  # type: ignore[arg-type]
            pass
        return
    with open_bytes(a_file(), TextReader(), LOGGER, encoding) as stream:  # type: ignore[arg-type]
        assert stream.read(100) == "größer\r\n".encode(encoding)


# --- Random access --------------------------------------------------------------------------------------------------


def check_random_access(handles: list[Any], uri: str = "a.parquet") -> int:
    reader = Reader(*handles)
    with open_random(a_file(uri), reader, LOGGER) as handle:
        assert handle.tell() == 0
        assert handle.seek(0, io.SEEK_END) == len(CONTENT)
        assert handle.seek(HALF) == HALF
        assert handle.read(100) == CONTENT[HALF : HALF + 100]
        assert handle.tell() == HALF + 100
        handle.seek(0)
        assert handle.read() == CONTENT
    assert handle.closed
    return reader.opened


def test_a_seekable_handle_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    assert check_random_access([(tmp_path / "x").open("rb")]) == 1


@each_format
def test_a_compressed_file_is_copied(suffix: str) -> None:
    data = COMPRESS[suffix](CONTENT)
    assert check_random_access([io.BytesIO(data), io.BytesIO(data)]) == 2


class LyingHandle(MinimalHandle):
    """As some archive readers: it seeks, but tells the place of its read-ahead."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> None:
        self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell() + 65536


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        raise ValueError("Cannot seek streaming HTTP file")


@pytest.mark.parametrize("handle", [MinimalHandle, LyingHandle, Unseekable, lambda data: io.StringIO(data.decode())])
def test_a_handle_that_cannot_seek_is_copied(handle: Callable[[bytes], Any]) -> None:
    assert check_random_access([handle(CONTENT), handle(CONTENT)]) == 2


def test_the_copy_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reader = Reader(MinimalHandle(CONTENT), MinimalHandle(CONTENT))
    with pytest.raises(KeyError), open_random(a_file(), reader, LOGGER):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_random_access_to_a_broken_file_is_refused() -> None:
    data = gzip.compress(CONTENT)[:-5]
    with (
        pytest.raises(BrokenStream, match="breaks off"),
        open_random(a_file(), Reader(io.BytesIO(data), io.BytesIO(data)), LOGGER),
    ):
        pass

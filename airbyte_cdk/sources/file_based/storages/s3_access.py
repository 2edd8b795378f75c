"""Listing and reading a bucket, one attempt a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, IncompleteReadError

from airbyte_cdk.sources.file_based.access.errors import AnswerError
from airbyte_cdk.sources.file_based.access.network import content_range
from airbyte_cdk.sources.file_based.access.ranges import read_joined
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    NothingLeft,
    StorageAccess,
    Trouble,
    anything,
    naive_utc,
)
from airbyte_cdk.sources.file_based.storages import s3_client
from airbyte_cdk.sources.file_based.storages.s3_failures import S3Failures, has_expired, status_of
from airbyte_cdk.sources.file_based.storages.s3_listing import NO_LISTING, listed, whole

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.s3 import S3Options

THREADS = 16
"""Requests of one access that run beside those of its callers: pages of listings, and ranges."""
PIECE_BYTES = 256 * 1024
"""Room that is made for what has arrived, which is seldom more."""


class S3Access(StorageAccess):
    """The objects of a bucket; their keys are the uris, exactly.

    The version of an object is its ETag. Nothing is sent before the first use.

    Args:
        options: Bucket, credentials and the rest.
    """

    flat = True

    def __init__(self, options: S3Options) -> None:
        self.title = f"S3 bucket {options.bucket}"
        self.prefix = options.prefix
        self._options = options
        self._fixed = {"Bucket": options.bucket, **({"RequestPayer": "requester"} if options.requester_pays else {})}
        self._lock = Lock()
        self._client: Any = None
        self._renewed = False
        self._threads: ThreadPoolExecutor | None = None

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """The objects whose key begins with `prefix` and with the prefix of the options; not the markers of folders."""
        own = self.prefix
        if not (prefix.startswith(own) or own.startswith(prefix)):
            return
        asked = {"Prefix": max(prefix, own, key=len), "EncodingType": "url"}
        if not recursive:
            asked["Delimiter"] = "/"

        def page(token: str | None) -> Future[bytes]:
            more = asked if token is None else {**asked, "ContinuationToken": token}
            return self._submit(self.retried, lambda: whole(_listing(self._call("list_objects_v2", **more))), over)

        for file in listed(page, enter):
            if not file.uri.startswith(asked["Prefix"]):
                return  # a server on a file system (SeaweedFS) takes the prefix "a//" for "a/": no file has it
            yield file

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """The bytes of an object from `start` on."""
        try:
            answer = self._get(uri, f"bytes={start}-" if start else None, version)
        except ClientError as error:
            if start and status_of(error) == 416:
                return NothingLeft(self._info(uri, version))
            raise
        left = size = answer.get("ContentLength")  # some servers send bodies in chunks, and do not tell
        if start:
            left, size = _content_range(answer, start)
        return _Body(answer, left, size)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """The bytes of each range, read by several requests at once; near ones are read by one."""
        return read_joined(ranges, lambda parts: self._parts(uri, parts, version))

    def _parts(self, uri: str, parts: list[tuple[int, int]], version: str | None) -> list[bytes]:
        if len(parts) == 1:
            return [self._part(uri, version, *parts[0])]
        coming = [self._submit(self._part, uri, version, *part) for part in parts]
        try:
            return [block.result() for block in coming]
        finally:
            for block in coming:
                block.cancel()

    def _part(self, uri: str, version: str | None, start: int, end: int) -> bytes:
        try:
            answer = self._get(uri, f"bytes={start}-{end - 1}", version)
        except ClientError as error:
            if status_of(error) == 416:
                return b""  # the file ends before
            raise
        expected, _ = _content_range(answer, start)
        body = _Body(answer, expected, expected)
        try:
            return read_exactly(body, expected, self.watch())
        finally:
            body.close()

    def _get(self, uri: str, byte_range: str | None, version: str | None) -> dict[str, Any]:
        asked = {"Key": uri, **_if_match(version)}
        if byte_range:
            asked["Range"] = byte_range
        return self._call("get_object", **asked)

    def info(self, uri: str) -> Listed:
        """Size, time and ETag of an object."""
        return self._info(uri, None)

    def _info(self, uri: str, version: str | None) -> Listed:
        head = self._call("head_object", Key=uri, **_if_match(version))
        if "LastModified" not in head:
            raise AnswerError(Trouble.CONFIG, "the server does not answer as S3 does: correct the option `endpoint`")
        return Listed(uri, head.get("ContentLength"), naive_utc(head["LastModified"]), _version(head))

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """What an error of botocore, or of S3, means."""
        return S3Failures(self._options, self._renewed).understood(error, uri)

    def close(self) -> None:
        """Close the connections and end the threads; both come back on demand."""
        with self._lock:
            client, self._client = self._client, None
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)
        if client is not None:
            client.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Access, (self._options,)

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        client = self._connected()
        try:
            answer: dict[str, Any] = getattr(client, operation)(**self._fixed, **asked)
        except ClientError as error:
            if self._renewed and has_expired(error):
                with self._lock:
                    if self._client is client:
                        self._client = None  # the next attempt fetches new credentials, whatever their expiry says
            raise
        return answer

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client, self._renewed = s3_client.connect(self._options, lambda: self.watch())
            return self._client

    def _submit(self, call: Callable[..., bytes], *args: Any) -> Future[bytes]:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="airbyte-s3")
            return self._threads.submit(call, *args)


class _Body(Content):
    """The body of an answer: the last `left` bytes of an object of `size`; None for what the server does not tell."""

    def __init__(self, answer: dict[str, Any], left: int | None, size: int | None) -> None:
        self.size = size
        self.version = _version(answer)
        self._left = left
        self._opened = ExitStack()
        # the response of urllib3: it gives what has arrived, where the one of botocore waits for all that is asked for
        self._response = self._opened.enter_context(answer["Body"])

    def read(self, n: int) -> bytes:
        data: bytes = self._response.read1(min(n, PIECE_BYTES))
        if self._left is not None:
            if not data and self._left:
                raise IncompleteReadError(actual_bytes=(self.size or 0) - self._left, expected_bytes=self.size)
            self._left -= len(data)
        return data

    def stop(self) -> None:
        with suppress(ValueError, RuntimeError, OSError):  # it has been read to its end, or closed
            self._response.shutdown()

    def close(self) -> None:
        self._opened.close()


def _if_match(version: str | None) -> dict[str, str]:
    return {} if version is None else {"IfMatch": f'"{version}"'}


def _listing(answer: dict[str, Any]) -> bytes:
    body: bytes | None = answer.get("Body")
    if body is None:  # of a success that is not 200
        raise AnswerError(Trouble.CONFIG, NO_LISTING)
    return body


def _version(answer: dict[str, Any]) -> str | None:
    etag: str | None = answer.get("ETag")
    return etag.strip('"') if etag else None


def _content_range(answer: dict[str, Any], start: int) -> tuple[int, int]:
    """Bytes of an answer to a range request, and of the whole object."""
    text = answer.get("ContentRange")
    first, last, size = content_range(text)
    if first != start or last is None or size is None:
        answer["Body"].close()
        raise OSError(f"the server did not give the range of bytes that was asked for, but {text or 'the whole file'}")
    return last + 1 - start, size

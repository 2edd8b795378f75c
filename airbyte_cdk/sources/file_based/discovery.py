"""The columns of a stream: given by the user, or inferred from its newest files."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, SchemaInferenceError
from airbyte_cdk.sources.file_based.file_errors import gravest
from airbyte_cdk.sources.file_based.schema_helpers import (
    fill_nulls,
    merge_with_conflicts,
    schemaless_schema,
)
from airbyte_cdk.utils.ticking import ticking
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.abstract_file_based_stream import AbstractFileBasedStream
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

LISTING_LOG_SECONDS = 60.0
"""A listing that takes longer says so in the log, each time after so many seconds."""

Columns = Mapping[str, Mapping[str, Any]]


def properties(stream: AbstractFileBasedStream) -> Columns:
    """The columns of a stream without the metadata columns, as JSON schema properties.

    In this order: the user's `input_schema`; one `data` object for a schemaless stream; the first listed file; the
    newest files, as many as the user and the discovery policy allow.

    Raises:
        AirbyteTracedException: a config_error that names a file, if no file could be read; what the storage raises
            while listing.
    """
    config = stream.config
    given = config.get_input_schema()
    if given:
        columns: Columns = given["properties"]
        return columns
    if config.schemaless:
        return _schemaless()
    files = _sample(stream)
    if not files:
        below = stream.stream_reader.listed_below
        place = f" below `prefix`, which is {below}" if below else ""
        stream.logger.warning(f"Stream {stream.name}: no file{place} matches, so its columns are not known yet")
        return _schemaless()
    return stream.infer_schema(files)


def _schemaless() -> Columns:
    columns: Columns = schemaless_schema["properties"]
    return columns


def _sample(stream: AbstractFileBasedStream) -> list[RemoteFile]:
    """The files to look at, newest first."""
    config = stream.config
    if config.use_first_found_file_for_schema_discovery:
        return list(islice(stream.get_files(), 1))
    most = stream._discovery_policy.get_max_n_files_for_schema_inference(stream.get_parser())
    wanted = config.recent_n_files_to_read_for_schema_discovery
    limit = min(most, wanted) if wanted else most
    seen = 0

    def counted() -> Iterable[RemoteFile]:
        nonlocal seen
        for seen, file in enumerate(stream.get_files(), 1):  # noqa: B007  the count is read below
            yield file

    def say() -> None:
        stream.logger.info(f"Stream {stream.name}: still listing, {seen} files so far")

    with ticking(LISTING_LOG_SECONDS, say):
        newest = heapq.nlargest(limit, counted(), key=lambda file: (file.last_modified, file.uri))
    if (wanted or seen) > limit:
        stream.logger.warning(
            f"Stream {stream.name}: columns are inferred from the {limit} newest of {seen} files; a column that occurs "
            "in others only is not declared"
        )
    return newest


def infer(stream: AbstractFileBasedStream, files: list[RemoteFile]) -> Columns:
    """The columns of `files` merged in their order; every column may be null.

    A file that cannot be read is named in a warning and its columns are missing. A column on whose type files
    disagree gets a type that holds all of them; the log names the files.

    Raises:
        AirbyteTracedException: if no file could be read: a transient_error if the storage gave none for now, a
            system_error if that is what one of them is, else a config_error.
    """
    outcomes = _infer_each(stream, files)
    merged: dict[str, Any] = {}
    errors: list[tuple[RemoteFile, Exception]] = []
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Exception):
            errors.append((file, outcome))
            stream.logger.warning(
                f"Stream {stream.name}: file {file.file_uri_for_logging} cannot be read, its columns are missing from "
                f"the schema: {outcome}"
            )
            continue
        merged, conflicts = merge_with_conflicts(merged, outcome)
        for conflict in conflicts:
            stream.logger.warning(
                f"Stream {stream.name}: file {file.file_uri_for_logging} disagrees with newer files: {conflict}"
            )
    if errors and len(errors) == len(files):
        gravest_type = gravest({_failure_type(error) for _, error in errors})
        file, error = next((file, error) for file, error in errors if _failure_type(error) is gravest_type)
        message = (
            f"Stream {stream.name}: its schema cannot be inferred, since none of {len(files)} files could be read. "
            f"{file.file_uri_for_logging}: {error}"
        )
        raise AirbyteTracedException(
            internal_message=message,
            message=message,
            failure_type=gravest_type,
            exception=error,
        ) from SchemaInferenceError(FileBasedSourceError.SCHEMA_INFERENCE_ERROR, stream=stream.name, file=file.uri)
    if not merged:
        stream.logger.warning(f"Stream {stream.name}: the files looked at are empty, so its columns are not known yet")
    filled: Columns = fill_nulls({"type": "object", "properties": merged})["properties"]
    return filled


def _failure_type(error: Exception) -> FailureType:
    failure_type: FailureType = getattr(error, "failure_type", FailureType.config_error)
    return failure_type


def _infer_each(stream: AbstractFileBasedStream, files: list[RemoteFile]) -> list[Columns | Exception]:
    parser = stream.get_parser()

    def one(file: RemoteFile) -> Columns | Exception:
        try:
            return asyncio.run(parser.infer_schema(stream.config, file, stream.stream_reader, stream.logger))
        except Exception as error:
            return error

    def each(group: list[RemoteFile]) -> list[tuple[int, Columns | Exception]]:
        return [(id(file), one(file)) for file in sorted(group, key=lambda file: file.reading_order)]

    groups: dict[object, list[RemoteFile]] = {}
    for file in files:
        groups.setdefault(file.reading_group or id(file), []).append(file)
    workers = max(1, min(stream.workers, len(groups), stream._discovery_policy.n_concurrent_requests))
    if workers == 1 and not _in_event_loop():
        # where the reader was made: what it holds may be tied to this thread
        outcomes = dict(chain.from_iterable(map(each, groups.values())))
    else:
        with ThreadPoolExecutor(workers, thread_name_prefix="airbyte-infer") as pool:
            outcomes = dict(chain.from_iterable(pool.map(each, groups.values())))
    return [outcomes[id(file)] for file in files]


def _in_event_loop() -> bool:
    """Whether this thread runs an event loop, and so cannot run another one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

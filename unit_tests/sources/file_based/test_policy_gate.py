"""Validation policies over whole files: the fast way and the way through a connector's hooks let the same rows pass."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.models.batch import Batch, JsonLines, Rows
from airbyte_cdk.models.wire import encode, rows
from airbyte_cdk.sources.file_based.availability_strategy import DefaultFileBasedAvailabilityStrategy
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.discovery_policy import DefaultDiscoveryPolicy
from airbyte_cdk.sources.file_based.exceptions import FileBasedErrorsCollector
from airbyte_cdk.sources.file_based.file_based_stream import DefaultFileBasedStream
from airbyte_cdk.sources.file_based.file_cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.json_conformance import LineCheck
from airbyte_cdk.sources.file_based.parsers import avro, default_parsers
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.policy_gate import PolicyGate
from airbyte_cdk.sources.file_based.rejects import Rejects
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.schema_helpers import nonconforming_column
from airbyte_cdk.sources.file_based.schema_validation_policies import (
    DEFAULT_SCHEMA_VALIDATION_POLICIES,
    AbstractSchemaValidationPolicy,
    SkipRecordPolicy,
)
from airbyte_cdk.test.one_file_reader import OneFileReader
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")
POLICIES = ["Skip Record", "Wait for Discover"]


class OwnHook(DefaultFileBasedStream):
    """A connector whose stream sees each record."""

    def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
        return super().transform_record(record, file, last_updated)


class IdlePolicy(SkipRecordPolicy):
    """A connector's policy that changes nothing but its name."""

    name = "idle"


def stream_of(
    content: bytes,
    filetype: str,
    schema: Mapping[str, Any] | None = None,
    policy: str = "Emit Record",
    cls: type[DefaultFileBasedStream] = DefaultFileBasedStream,
    own_policy: AbstractSchemaValidationPolicy | None = None,
    **options: Any,
) -> DefaultFileBasedStream:
    config = FileBasedStreamConfig(name="s", format={"filetype": filetype, **options}, validation_policy=policy)
    reader = OneFileReader(content)
    return cls(
        config=config,
        catalog_schema=schema,
        stream_reader=reader,
        availability_strategy=DefaultFileBasedAvailabilityStrategy(reader),
        discovery_policy=DefaultDiscoveryPolicy(),
        parsers=default_parsers,
        validation_policy=own_policy or DEFAULT_SCHEMA_VALIDATION_POLICIES[config.validation_policy],
        errors_collector=FileBasedErrorsCollector(),
        cursor=DefaultFileBasedCursor(config),
    )


def batches(stream: DefaultFileBasedStream) -> list[Batch]:
    rejects = Rejects()
    found = [item for item in stream.read_file(next(iter(stream.get_files())), rejects) if isinstance(item, Batch)]
    assert not rejects
    return found


def read(stream: DefaultFileBasedStream) -> list[dict[str, Any]]:
    """The records of the stream's file as they are printed, without the metadata columns."""
    text = b"".join(bytes(buffer) for batch in batches(stream) for buffer in encode("s", None, batch, 0).buffers)
    records = [json.loads(line)["record"]["data"] for line in text.splitlines()]
    return [{name: record[name] for name in record if not name.startswith("_ab_")} for record in records]


def parquet(columns: Mapping[str, pa.Array]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def avro_file(kind: Any, values: Sequence[Any]) -> bytes:
    out = io.BytesIO()
    fields = [{"name": "c", "type": kind}, {"name": "n", "type": "int"}]
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": fields})
    fastavro.writer(out, schema, [{"c": value, "n": number} for number, value in enumerate(values)])
    return out.getvalue()


# --- columns that discovery declares otherwise than they are printed ---

COLUMNS = {
    "category": pa.array([f"value {n % 7}" for n in range(50)]).dictionary_encode(),
    "category of distinct values": pa.array([f"value {n}" for n in range(50)]).dictionary_encode(),
    "category of numbers": pa.array([n % 3 for n in range(50)]).dictionary_encode(),
    "duration": pa.array([timedelta(seconds=n) for n in range(50)]),
    "time of day": pa.array([time(1, n) for n in range(50)]),
    "list": pa.array([[time(1, n)] for n in range(50)]),
    "struct": pa.array([{"t": timedelta(n)} for n in range(50)]),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_all_rows_of_a_discovered_parquet_file_pass(column: pa.Array, policy: str) -> None:
    content = parquet({"c": column, "n": pa.array(range(50))})
    schema = stream_of(content, "parquet").get_json_schema()
    printed = read(stream_of(content, "parquet", schema))
    assert [record["n"] for record in printed] == list(range(50))
    for cls in (DefaultFileBasedStream, OwnHook):
        stream = stream_of(content, "parquet", schema, policy, cls)
        assert read(stream) == printed
        assert stream.availability_strategy.check_availability_and_parsability(stream, LOGGER) == (True, None)


@pytest.mark.parametrize("batch_bytes", [300, 3000, 1 << 20])
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_the_size_of_batches_decides_nothing(column: pa.Array, batch_bytes: int) -> None:
    content = parquet({"c": column, "n": pa.array(range(50))})
    stream = stream_of(content, "parquet")
    schema, file = stream.get_json_schema(), next(iter(stream.get_files()))
    read = FileRead(stream.config, file, stream.stream_reader, LOGGER, batch_bytes=batch_bytes)
    gate = PolicyGate(SkipRecordPolicy(), schema, "s", read)
    assert sum(gate.filter(table, 0).num_rows for table in stream.get_parser().batches(read)) == 50


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("native", [True, False], ids=["polars", "fastavro"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3)),
        ({"type": "long", "logicalType": "time-micros"}, time(1, 2, 3)),
        (["null", {"type": "long", "logicalType": "time-micros"}], time(1, 2, 3)),
        ({"type": "array", "items": {"type": "int", "logicalType": "time-millis"}}, [time(1, 2, 3)]),
        ([{"type": "int", "logicalType": "time-millis"}, "boolean"], time(1, 2, 3)),
        ({"type": "fixed", "name": "f", "size": 12, "logicalType": "duration"}, bytes(12)),
    ],
    ids=str,
)
def test_all_rows_of_a_discovered_avro_file_pass(
    kind: Any, value: Any, native: bool, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:  # as without the extra `fast`
        monkeypatch.setattr(avro, "open_native", lambda root, double_as_string: None)
    elif importlib.util.find_spec("polars") is None:
        pytest.skip("polars is not installed")
    content = avro_file(kind, [value] * 20)
    schema = stream_of(content, "avro").get_json_schema()
    printed = read(stream_of(content, "avro", schema))
    assert [record["n"] for record in printed] == list(range(20))
    for cls in (DefaultFileBasedStream, OwnHook):
        stream = stream_of(content, "avro", schema, policy, cls)
        assert read(stream) == printed
        assert stream.availability_strategy.check_availability_and_parsability(stream, LOGGER) == (True, None)


@pytest.mark.parametrize("cls", [DefaultFileBasedStream, OwnHook])
def test_a_column_of_another_type_than_the_catalog_has_is_still_judged(cls: type[DefaultFileBasedStream]) -> None:
    content = parquet({"c": pa.array(["x", None]).dictionary_encode(), "n": pa.array([1, 2])})
    for declared, kept in (("integer", [2]), ("string", [1, 2]), ("object", [1, 2]), ("array", [2]), ([], [2])):
        schema = {"type": "object", "properties": {"c": {"type": declared}, "n": {"type": "integer"}}}
        found = read(stream_of(content, "parquet", schema, "Skip Record", cls))
        assert [record["n"] for record in found] == kept
    schema = {"type": "object", "properties": {"c": {"type": "boolean"}, "n": {"type": "integer"}}}
    with pytest.raises(AirbyteTracedException, match=r"record 1 of file .* in column 'c'"):
        read(stream_of(content, "parquet", schema, "Wait for Discover", cls))


def test_columns_that_are_not_declared_are_judged_beside_those_that_fit() -> None:
    content = parquet({"c": COLUMNS["category"], "more": pa.array([None, 1] * 25)})
    schema = {"type": "object", "properties": {"c": {"type": "object"}}}
    for cls in (DefaultFileBasedStream, OwnHook):
        assert len(read(stream_of(content, "parquet", schema, "Skip Record", cls))) == 25
        with pytest.raises(AirbyteTracedException, match=r"record 2 of file .* in column 'more'"):
            read(stream_of(content, "parquet", schema, "Wait for Discover", cls))


# --- which way is taken ---


def test_a_policy_that_overrides_nothing_stays_on_the_fast_way() -> None:
    content = b'{"a":1}\n{"a":"x"}\n{"a":3}\n'
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    stream = stream_of(content, "jsonl", schema, own_policy=IdlePolicy())
    assert [batch.table.bodies for batch in batches(stream) if isinstance(batch.table, JsonLines)] == [
        [b'"a":1', b'"a":3']
    ]
    assert not any(isinstance(batch.table, Rows) for batch in batches(stream))
    own = stream_of(content, "jsonl", schema, own_policy=IdlePolicy(), cls=OwnHook)
    assert read(own) == [{"a": 1}, {"a": 3}]


# --- JSON lines ---

NAMES = ["null", "boolean", "integer", "number", "string", "object", "array", "decimal"]
types = st.sampled_from(NAMES) | st.lists(st.sampled_from(NAMES), max_size=3, unique=True)
properties = st.recursive(
    types.map(lambda t: {"type": t}) | st.just({}),
    lambda inner: st.builds(lambda t, i: {"type": t, "items": i}, types, inner),
    max_leaves=3,
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1.0, -0.0, 1e300, 2**63, 2**64])
    | st.text(max_size=3)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner), max_leaves=4
)
columns = st.sampled_from(["a", "b", "ä", 'quo"te', "back\\slash", "new\nline", ""])


@given(
    st.lists(st.dictionaries(columns, values, max_size=4), min_size=1, max_size=5),
    st.dictionaries(columns, properties, max_size=5),
    st.sets(columns, max_size=2),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_the_native_check_never_passes_what_does_not_fit(
    records: list[dict[str, Any]], declared: dict[str, Any], known: set[str], ascii_only: bool
) -> None:
    bodies = [json.dumps(record, ensure_ascii=ascii_only).encode()[1:-1] for record in records]
    schema = {"type": "object", "properties": declared}
    fits = [nonconforming_column(record, schema, known) is None for record in rows(Batch(JsonLines(bodies)))]
    check = LineCheck(declared, known)
    assert all(fits) or not check.all_fit(bodies)
    config = FileBasedStreamConfig(name="s", format={"filetype": "jsonl"})
    reader = OneFileReader(b"")
    gate = PolicyGate(SkipRecordPolicy(), schema, "s", FileRead(config, reader.file, reader, LOGGER))
    expected = [nonconforming_column(record, schema) is None for record in records]
    kept = gate.filter(JsonLines(bodies), 0)
    assert isinstance(kept, JsonLines)
    assert list(kept.bodies) == [body for body, fit in zip(bodies, expected, strict=True) if fit]


@pytest.mark.parametrize(
    ("value", "prop"),
    [
        ("5", {"type": "integer"}),
        ("5", {"type": ["null", "number"]}),
        ("12345678901234567890", {"type": "string"}),
        ("5.5", {"type": "number"}),
        ("true", {"type": "integer"}),
        ('"x"', {"type": "string"}),
        ('{"x":[{"y":null}]}', {"type": ["null", "object"]}),
        ('[1,"x",{}]', {"type": "array"}),
        ("[[1,null],[]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ('[{"x":1},2]', {"type": "array", "items": {"type": ["object", "integer"]}}),
        ("{}", {}),
        ("1e5", {"type": "decimal"}),
    ],
)
def test_what_fits_is_told_natively(value: str, prop: Any) -> None:
    assert LineCheck({"c": prop}).all_fit([f'"c":{value}'.encode(), b""])


def test_a_few_bad_lines_among_many() -> None:
    content = b"".join(b'{"n":%d,"v":%s}\n' % (n, b'"x"' if n % 700 == 5 else b"1") for n in range(3000))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "v": {"type": "integer"}}}
    for cls in (DefaultFileBasedStream, OwnHook):
        found = read(stream_of(content, "jsonl", schema, "Skip Record", cls))
        assert [record["n"] for record in found] == [n for n in range(3000) if n % 700 != 5]
        with pytest.raises(AirbyteTracedException, match="record 6 of file"):
            read(stream_of(content, "jsonl", schema, "Wait for Discover", cls))

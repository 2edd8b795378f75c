"""What a plain stream says of itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from plain_streams import Counted, Legacy, Numbers, Pages

from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams import CheckpointMixin, IncrementalMixin, Stream
from airbyte_cdk.sources.streams.checkpoint import ResumableFullRefreshCursor, SubstreamResumableFullRefreshCursor
from airbyte_cdk.sources.streams.core import package_name_from_class


def stream_class(name: str) -> type[Stream]:
    return type(name, (Stream,), {"primary_key": None, "read_records": lambda self, *args, **kwargs: iter(())})


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("MyStream", "my_stream"),
        ("HTTPStream", "http_stream"),
        ("A1B2C", "a1_b2_c"),
        ("Users_List", "users__list"),
    ],
)
def test_a_stream_is_named_after_its_class(class_name: str, name: str) -> None:
    stream = stream_class(class_name)()
    assert stream.name == name
    assert stream.logger.name == f"airbyte.streams.{name}"
    assert str(stream) == f"Stream(name={name})"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("id", [["id"]]),
        (["a", "b"], [["a"], ["b"]]),
        ([["a", "b"], "c"], [["a", "b"], ["c"]]),
        (None, None),
        ([], None),
        ("", None),
    ],
)
def test_primary_keys_are_lists_of_paths(key: Any, expected: Any) -> None:
    assert Numbers(primary_key=key).as_airbyte_stream().source_defined_primary_key == expected


def test_a_plain_stream_in_the_catalog() -> None:
    stream = Numbers().as_airbyte_stream()
    assert stream.supported_sync_modes == [SyncMode.full_refresh]
    assert stream.is_resumable is False
    assert stream.default_cursor_field is None
    assert stream.source_defined_cursor is None
    assert stream.namespace is None


@pytest.mark.parametrize(("field", "path"), [("c", ["c"]), (["a", "b"], ["a", "b"])])
def test_an_incremental_stream_in_the_catalog(field: Any, path: list[str]) -> None:
    stream = type("Fielded", (Numbers,), {"cursor_field": field})().as_airbyte_stream()
    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert stream.default_cursor_field == path
    assert stream.source_defined_cursor is True
    assert stream.is_resumable is True


@pytest.mark.parametrize(
    ("stream", "resumable"),
    [
        (Counted(), True),
        (Legacy(), True),
        (Pages(), True),
        (Pages(has_multiple_slices=True), False),
        (type("Old", (Legacy,), {"cursor_field": []})(), True),
        (type("Attribute", (Numbers,), {"state": {}})(), False),
        (Numbers(), False),
    ],
)
def test_what_is_resumable(stream: Stream, resumable: bool) -> None:
    assert stream.is_resumable is resumable


def test_the_schema_is_a_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "source_with_schemas"
    (package / "schemas").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "schemas" / "many_things.json").write_text('{"type": "object", "properties": {"a": {"type": "string"}}}')
    (package / "streams.py").write_text(
        "from airbyte_cdk.sources.streams import Stream\n"
        "class ManyThings(Stream):\n"
        "    primary_key = None\n"
        "    def read_records(self, *args, **kwargs):\n"
        "        yield from ()\n"
        "class NoSchema(ManyThings):\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from source_with_schemas.streams import ManyThings, NoSchema  # type: ignore[import-not-found]  # made above

    stream = ManyThings()
    assert stream.get_json_schema() == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert stream.get_json_schema() is stream.get_json_schema()
    assert package_name_from_class(ManyThings) == "source_with_schemas"
    with pytest.raises(FileNotFoundError, match=r"schemas/no_schema\.json"):
        NoSchema().get_json_schema()
    for module in [name for name in sys.modules if name.startswith("source_with_schemas")]:
        del sys.modules[module]


def test_what_the_stream_has_no_more_leaves_the_configured_schema(caplog: pytest.LogCaptureFixture) -> None:
    stream = Numbers()
    assert stream.configured_json_schema is None
    stream.configured_json_schema = {
        "type": "object",
        "properties": {"c": {"type": "string"}, "gone": {"type": "string"}},
    }
    with caplog.at_level(logging.WARNING):
        assert stream.configured_json_schema == {"type": "object", "properties": {"c": {"type": "integer"}}}
    assert "gone" in caplog.text


def test_a_mixin_asks_for_a_state() -> None:
    class Forgetful(Numbers, CheckpointMixin):
        pass

    with pytest.raises(TypeError, match="state"):
        Forgetful()  # type: ignore[abstract]
    assert issubclass(IncrementalMixin, CheckpointMixin)


def test_a_page_cursor_gives_way_when_there_are_slices() -> None:
    stream = Numbers(cursor=ResumableFullRefreshCursor())
    assert stream.get_cursor() is stream.cursor
    assert isinstance(stream.get_cursor(), ResumableFullRefreshCursor)
    stream.has_multiple_slices = True
    assert isinstance(stream.get_cursor(), SubstreamResumableFullRefreshCursor)


def test_a_state_that_is_not_known_yet_is_none_and_can_be_set() -> None:
    class Late(Numbers):
        @property
        def state(self) -> Mapping[str, Any]:
            return {"c": self._value}

        @state.setter
        def state(self, value: Mapping[str, Any]) -> None:
            self._value = value["c"]

    stream = Late()
    assert stream.own_state() is None
    stream.resume({"c": 3})
    assert stream.own_state() == {"c": 3}
    assert Numbers().own_state() is None


def test_a_state_that_cannot_be_set_is_left_alone() -> None:
    stream = type("Fixed", (Numbers,), {"state": property(lambda self: {"c": 1})})()
    stream.resume({"c": 2})
    assert stream.own_state() == {"c": 1}

"""Files as a listing gives them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic.v1 import BaseModel, Extra, Field, ValidationError, validator

from airbyte_cdk.sources.file_based.file_record_data import FileRecordData
from airbyte_cdk.sources.file_based.remote_file import RemoteFile, UploadableRemoteFile

NOON = datetime(2024, 1, 1, 12)


class Client:
    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("live clients are never copied")


class Blob(UploadableRemoteFile):
    blob: Any
    displayed_uri: str = None  # type: ignore[assignment]  # as a published connector has it

    def __init__(self, blob: Any, displayed_uri: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blob = blob
        self.displayed_uri = displayed_uri  # type: ignore[assignment]
        self.id = "7"

    @property
    def size(self) -> int:
        return 3

    def download_to_local_directory(self, local_file_path: str) -> None:
        raise NotImplementedError


class Member(RemoteFile):
    start_offset: int
    compressed_size: int


def test_a_file() -> None:
    file = RemoteFile(uri="a.csv", last_modified=NOON, unknown=1)
    assert file.dict() == {"uri": "a.csv", "last_modified": NOON, "mime_type": None}
    assert file.file_uri_for_logging == "a.csv"
    assert not hasattr(file, "unknown")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2024-01-01T12:00:00", NOON),
        ("2024-01-01T12:00:00.5", NOON.replace(microsecond=500_000)),
        ("2024-01-01T12:00:00Z", NOON.replace(tzinfo=UTC)),
    ],
)
def test_dates_as_text_are_read(given: str, kept: datetime) -> None:
    assert RemoteFile(uri="a", last_modified=given).last_modified == kept


@pytest.mark.parametrize(
    "given", [{}, {"uri": "a"}, {"uri": None, "last_modified": NOON}, {"uri": "a", "last_modified": "x"}]
)
def test_bad_values_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RemoteFile(**given)


def test_the_quick_way_makes_what_validation_makes() -> None:
    quick = RemoteFile(uri="a", last_modified=NOON, mime_type="text/csv")
    slow = RemoteFile(uri="a", last_modified=NOON.isoformat(), mime_type="text/csv")
    assert quick == slow
    assert quick.json() == slow.json()
    assert quick.copy(update={"uri": "b"}) == slow.copy(update={"uri": "b"})
    assert quick != RemoteFile(uri="a", last_modified=NOON)
    assert repr(quick) == repr(slow)


def test_files_are_not_hashable() -> None:
    with pytest.raises(TypeError):
        hash(RemoteFile(uri="a", last_modified=NOON))


def test_a_subclass_sets_its_own_fields_after_the_base() -> None:
    client = Client()
    file = Blob(client, "shown", uri="a", last_modified=NOON)
    other = Blob(client, uri="b", last_modified=NOON)
    assert file.blob is client
    assert (file.displayed_uri, other.displayed_uri) == ("shown", None)
    assert (file.id, file.created_at, file.size) == ("7", None, 3)
    assert (file.source_uri, file.source_file_relative_path) == ("a", "a")


def test_fields_of_a_subclass_are_required_and_checked() -> None:
    assert Member(uri="a", last_modified=NOON, start_offset=1, compressed_size=2).start_offset == 1
    assert Member(uri="a", last_modified=NOON, start_offset="1", compressed_size=2).start_offset == 1
    with pytest.raises(ValidationError, match="compressed_size"):
        Member(uri="a", last_modified=NOON, start_offset=1)


def test_rules_of_a_subclass_hold() -> None:
    class Checked(RemoteFile):
        @validator("uri")
        def _relative(cls, uri: str) -> str:
            return uri.lstrip("/")

    class Renamed(RemoteFile):
        owner: str = Field("", alias="Owner")

    class Open(RemoteFile):
        class Config:
            extra = Extra.allow

    class Nested(RemoteFile):
        tags: list[str] = []  # noqa: RUF012  pydantic copies it

    assert Checked(uri="/a", last_modified=NOON).uri == "a"
    assert Renamed(uri="a", last_modified=NOON, Owner="me").owner == "me"
    assert Open(uri="a", last_modified=NOON, more=1).more == 1
    Nested(uri="a", last_modified=NOON).tags.append("x")
    assert Nested(uri="a", last_modified=NOON).tags == []


def test_an_uploadable_file_must_know_its_size() -> None:
    with pytest.raises(TypeError, match="abstract"):
        UploadableRemoteFile(uri="a", last_modified=NOON)  # type: ignore[abstract]


def test_a_model_of_its_own_may_hold_files() -> None:
    class Pair(BaseModel):
        file: RemoteFile

    assert Pair(file={"uri": "a", "last_modified": NOON}).file.uri == "a"


def test_the_record_about_a_raw_file() -> None:
    data = FileRecordData(folder="d", file_name="f", bytes=3, source_uri="d/f", unknown=1)
    assert data.dict(exclude_none=True) == {"folder": "d", "file_name": "f", "bytes": 3, "source_uri": "d/f"}
    with pytest.raises(ValidationError):
        FileRecordData(folder="d")

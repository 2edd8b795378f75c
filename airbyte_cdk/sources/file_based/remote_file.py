"""A file of a storage, as the listing gives it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

from pydantic.v1 import BaseModel
from pydantic.v1.fields import SHAPE_SINGLETON, ModelField

_REQUIRED = object()
_set = object.__setattr__


class RemoteFile(BaseModel):
    """One file of a storage. A connector's subclass may hold live clients in fields of type Any.

    Files are never copied, pickled or hashed by the framework. Making one takes about 2 microseconds, since a listing
    may give millions; values that are not exactly of their field's type take pydantic's slower way.

    Attributes:
        uri: Identifies the file in its storage, and in the history of the stream's state.
        last_modified: When it was last changed: UTC, without time zone.
        mime_type: Its media type, if the storage knows one.
    """

    uri: str
    last_modified: datetime
    mime_type: str | None = None

    def __init__(self, **data: Any) -> None:
        plain = _plain_fields(type(self))
        if plain is None:
            super().__init__(**data)
            return
        fields, names = plain
        values = []
        for name, accepted, default in fields:
            value = data.get(name, default)
            if value is _REQUIRED or (accepted is not None and type(value) not in accepted):
                super().__init__(**data)
                return
            values.append((name, value))
        for name, value in values:
            _set(self, name, value)
        _set(self, "__fields_set__", names)

    @property
    def file_uri_for_logging(self) -> str:
        """How messages name the file."""
        return self.uri

    @property
    def reading_order(self) -> tuple[str, int, int]:
        """Sorts files of one time: members of an archive as the archive holds them, others by uri."""
        return self.uri, 0, 0

    @property
    def reading_group(self) -> str | None:
        """Names files that are read one after the other, in their `reading_order`; None: at any time, beside others.

        Files are of one group if getting at one means passing those before it, once for each reader.
        """
        return None

    @property
    def known_size(self) -> int | None:
        """Bytes, if the listing told; the storage is never asked."""
        return None


class UploadableRemoteFile(RemoteFile, ABC):
    """A file that can be copied as it is.

    Attributes:
        id: Its identifier in the storage, if that has one.
        created_at: When it was created, as the storage writes it.
        updated_at: When it was last changed, as the storage writes it.
    """

    id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of the file."""

    @abstractmethod
    def download_to_local_directory(self, local_file_path: str) -> None:
        """Copy the content to a local path, whose directory exists."""

    @property
    def source_file_relative_path(self) -> str:
        """Its path in the storage, from which the path of the copy is made."""
        return self.uri

    @property
    def source_uri(self) -> str:
        """Where it is, as the record about the copy says."""
        return self.uri


_Plain = tuple[list[tuple[str, frozenset[type] | None, Any]], set[str]]
_plain: dict[type[RemoteFile], _Plain | None] = {}


def _plain_fields(cls: type[RemoteFile]) -> _Plain | None:
    """Fields of a class that can be set without pydantic's validation: name, accepted types, default.

    None if the class has validators, aliases, private attributes or fields of other types. The set of names is shared
    by all objects; pydantic adds to it only names that it already holds.
    """
    try:
        return _plain[cls]
    except KeyError:
        pass
    own_rules = (
        cls.__validators__ or cls.__pre_root_validators__ or cls.__post_root_validators__ or cls.__private_attributes__
    )
    plain: _Plain | None = None
    if not own_rules and cls.__config__.extra.value == "ignore":
        fields = [_plain_field(field) for field in cls.__fields__.values()]
        if None not in fields:
            plain = [field for field in fields if field is not None], set(cls.__fields__)
    _plain[cls] = plain
    return plain


def _plain_field(field: ModelField) -> tuple[str, frozenset[type] | None, Any] | None:
    unusual = field.alias != field.name or field.shape != SHAPE_SINGLETON or field.sub_fields or field.field_info.const
    if unusual or field.default_factory is not None or field.type_ not in (str, int, bool, datetime, Any):
        return None
    if not (field.default is None or isinstance(field.default, str | int | bool)):
        return None  # a default that must be copied
    default = _REQUIRED if field.required else field.default
    if field.type_ is Any:
        return field.name, None, default
    return field.name, frozenset({field.type_, type(None)} if field.allow_none else {field.type_}), default

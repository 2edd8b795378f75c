"""The record that stands for one file copied as it is."""

from __future__ import annotations

from pydantic.v1 import BaseModel


class FileRecordData(BaseModel):
    """What is sent about a raw file.

    Attributes:
        folder: Its directory in the storage.
        file_name: Its base name.
        bytes: Its size.
        source_uri: Where it was.
        id: Its identifier in the storage, if that has one.
        created_at: When it was created, as the storage writes it.
        updated_at: When it was last changed, as the storage writes it.
        mime_type: Its media type.
    """

    folder: str
    file_name: str
    bytes: int
    source_uri: str
    id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    mime_type: str | None = None

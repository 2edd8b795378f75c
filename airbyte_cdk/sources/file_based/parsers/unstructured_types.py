"""What kind of document a file is: told by its media type, else its name, else its content."""

from __future__ import annotations

import re
import zipfile
from enum import Enum
from pathlib import PurePosixPath
from typing import IO

from airbyte_cdk.sources.file_based.compression import CODECS

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
HEAD_BYTES = 4096
"""So many first bytes of a file without a telling name are looked at."""


class DocumentType(Enum):
    """The documents that are read; the values are the usual ends of their names."""

    MARKDOWN = "md"
    TEXT = "txt"
    PDF = "pdf"
    WORD = "docx"
    SLIDES = "pptx"

    @property
    def media_type(self) -> str:
        """The media type, as IANA lists it."""
        return _MEDIA_TYPES[self]

    @property
    def is_text(self) -> bool:
        """Whether the content of the file is its text."""
        return self in (DocumentType.MARKDOWN, DocumentType.TEXT)


_MEDIA_TYPES = {
    DocumentType.MARKDOWN: "text/markdown",
    DocumentType.TEXT: "text/plain",
    DocumentType.PDF: "application/pdf",
    DocumentType.WORD: _WORD,
    DocumentType.SLIDES: _SLIDES,
}
_BY_MEDIA_TYPE = {
    **{media_type: document_type for document_type, media_type in _MEDIA_TYPES.items()},
    "text/x-markdown": DocumentType.MARKDOWN,
}
_NOT_READ = ("image/", "audio/", "video/", "font/")
_NOT_READ_MEDIA_TYPES = frozenset(
    {
        "application/epub+zip",
        "application/json",
        "application/msword",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-outlook",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/xml",
        "application/zip",
        "message/rfc822",
        "text/csv",
        "text/html",
        "text/rtf",
        "text/tab-separated-values",
        "text/xml",
    }
)
_BY_SUFFIX = {
    ".md": DocumentType.MARKDOWN,
    ".markdown": DocumentType.MARKDOWN,
    ".txt": DocumentType.TEXT,
    ".text": DocumentType.TEXT,
    ".pdf": DocumentType.PDF,
    ".docx": DocumentType.WORD,
    ".pptx": DocumentType.SLIDES,
}
_NOT_READ_SUFFIXES = re.compile(
    r"\.(csv|doc|eml|epub|html?|jpe?g|json|msg|odt|org|png|ppt|rst|rtf|tab|tsv|xlsx?|xml|zip)"
)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"{\\rtf", "rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc, xls, ppt or encrypted Office"),
)
_COMPRESSED = tuple(codec.suffix for codec in CODECS)


class UnprocessableDocument(ValueError):
    """A document whose text cannot be had. The text of the error says why, without any data of the document."""


def type_by_name(media_type: str | None, uri: str) -> DocumentType | None:
    """The type as the storage's media type tells, or else the end of the file's name; None if neither does.

    >>> type_by_name(None, "reports/2024.PDF.gz")
    <DocumentType.PDF: 'pdf'>

    Raises:
        UnprocessableDocument: they tell of a type that is not read.
    """
    told = (media_type or "").partition(";")[0].strip().lower()
    if told in _BY_MEDIA_TYPE:
        return _BY_MEDIA_TYPE[told]
    if told in _NOT_READ_MEDIA_TYPES or told.startswith(_NOT_READ):
        raise _not_read(told)
    path = uri.split("?", 1)[0] if "://" in uri else uri
    name = PurePosixPath(path.lower()).name
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    suffix = PurePosixPath(name).suffix
    if _NOT_READ_SUFFIXES.fullmatch(suffix):
        raise _not_read(suffix[1:])
    return _BY_SUFFIX.get(suffix)


def type_by_content(content: IO[bytes]) -> DocumentType:
    """The type as the content tells; what is not known to be something else is text.

    Args:
        content: The file, at its beginning, that can be sought.

    Raises:
        UnprocessableDocument: the content is of a type that is not read.
    """
    head = content.read(HEAD_BYTES)
    if b"%PDF-" in head[:1024]:
        return DocumentType.PDF
    if head.startswith(b"PK\x03\x04"):
        return _packaged(content)
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise _not_read(what)
    if b"\0" in head:
        raise _not_read("an unknown one")
    return DocumentType.TEXT


def _packaged(content: IO[bytes]) -> DocumentType:
    """The type of a document that is a ZIP archive of parts, see https://ecma-international.org/publications-and-standards/standards/ecma-376/."""
    try:
        with zipfile.ZipFile(content) as package:
            folders = {name.partition("/")[0] for name in package.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnprocessableDocument(f"it is a broken ZIP archive ({error})") from error
    if "word" in folders:
        return DocumentType.WORD
    if "ppt" in folders:
        return DocumentType.SLIDES
    raise _not_read("zip")


def _not_read(what: str) -> UnprocessableDocument:
    known = ", ".join(document_type.value for document_type in DocumentType)
    return UnprocessableDocument(f"documents of its type ({what}) are not read, only {known}")

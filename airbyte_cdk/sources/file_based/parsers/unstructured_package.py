"""Office Open XML packages: the parts of a .docx or .pptx file, and how they refer to each other.

Format: https://ecma-international.org/publications-and-standards/standards/ecma-376/, part 2. Parts are read one at a
time and never written, so a whole library with its pictures and charts in memory is not needed.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from typing import IO
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

PART_BYTES = 512 * 1024 * 1024
"""Largest XML part that is read: a small package can hold endless blanks."""

# the "transitional" and the "strict" namespaces of one vocabulary share a word
_PREFIXES = (
    ("/relationships", "r"),
    ("wordprocessingml", "w"),
    ("presentationml", "p"),
    ("officeDocument/2006/math", "m"),
    ("officeDocument/math", "m"),
    ("markup-compatibility", "mc"),
    ("drawingml", "a"),
)


@lru_cache(maxsize=4096)
def name_of(tag: str) -> str:
    """The name of an element or attribute with a short prefix that stands for its vocabulary.

    >>> name_of("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}tbl")
    'w:tbl'
    """
    namespace, _, name = tag.rpartition("}")
    for word, prefix in _PREFIXES:
        if word in namespace:
            return f"{prefix}:{name}"
    return name


def attribute(element: Element | None, name: str) -> str | None:
    """The value of an attribute by its prefixed name, or None."""
    if element is None:
        return None
    return next((value for key, value in element.items() if name_of(key) == name), None)


def child(element: Element | None, *path: str) -> Element | None:
    """The first child of a prefixed name, the first child of that, and so on; None if there is none."""
    for name in path:
        if element is None:
            return None
        element = next((found for found in element if name_of(found.tag) == name), None)
    return element


def chosen(element: Element | None) -> Iterator[Element]:
    """The children of an element, if there is one; of alternatives for old and new readers, only the first."""
    for found in element if element is not None else ():
        name = name_of(found.tag)
        if name == "mc:AlternateContent":
            for alternative in found:
                yield from chosen(alternative)
                break
        else:
            yield found


class Package:
    """An open package.

    Args:
        file: The file, which can be sought.

    Raises:
        UnprocessableDocument: it is not a package.
    """

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            raise UnprocessableDocument("it is encrypted, or of an older version of Office")
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise UnprocessableDocument("it is empty, cut off, or not an Office document (no ZIP archive)") from error

    def main_part(self) -> str:
        """The name of the part that all others hang on."""
        for kind, part in self.relations("").values():
            if kind == "officeDocument":
                return part
        raise UnprocessableDocument("it is not an Office document: it names no main part")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """The parts that a part refers to: kind and name by identifier. What lies outside is left out."""
        folder, name = posixpath.split(part)
        try:
            root = self.parse(posixpath.join(folder, "_rels", f"{name}.rels"))
        except KeyError:
            return {}
        found = {}
        for relation in root:
            target = relation.get("Target", "")
            if relation.get("TargetMode") != "External" and target:
                kind = relation.get("Type", "").rpartition("/")[2]
                path = posixpath.normpath(posixpath.join("/", folder, unquote(target)))
                found[relation.get("Id", "")] = kind, path[1:]
        return found

    def parse(self, part: str) -> Element:
        """A part as a tree. Raises KeyError if there is none of this name."""
        with self._open(part) as content:
            return ElementTree.parse(content).getroot()

    def blocks(self, part: str, parent: str) -> Iterator[Element]:
        """The children of the element `parent` (prefixed name) of a large part, each dropped after its use."""
        with self._open(part) as content:
            depth, inside, holder = 0, None, None
            for event, element in ElementTree.iterparse(content, ("start", "end")):
                if event == "start":
                    depth += 1
                    if holder is None and name_of(element.tag) == parent:
                        holder, inside = element, depth
                    continue
                if element is holder:
                    return
                if holder is not None and inside is not None and depth == inside + 1:
                    yield element
                    holder.clear()
                depth -= 1

    def _open(self, part: str) -> IO[bytes]:
        info = self._zip.getinfo(part)
        if info.flag_bits & 1:
            raise UnprocessableDocument("it is encrypted")
        if info.file_size > PART_BYTES:  # `zipfile` gives no more than that size, whatever is stored
            raise UnprocessableDocument(f"one of its parts is larger than {PART_BYTES:,} bytes")
        return self._zip.open(info)

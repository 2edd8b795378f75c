"""The parts of an .xlsx file: a ZIP archive of XML parts that name one another.

Format: ECMA-376 part 1 (SpreadsheetML) and part 2 (packaging),
https://ecma-international.org/publications-and-standards/standards/ecma-376/
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.parsers import expat

import pyarrow as pa

from airbyte_cdk.sources.file_based.parsers.excel_block import BadWorkbook
from airbyte_cdk.sources.file_based.parsers.excel_dates import Kind, kind_of_format

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

READ_BYTES = 1024 * 1024
_PLAIN_STRING = re.compile(rb'<si><t(?: xml:space="preserve")?>([^<&\r]*)</t></si>|<si><t ?/></si>|<si ?/>')
_ESCAPED = re.compile(r"(?:_x[0-9A-Fa-f]{4}_)+")
_STRINGS = re.compile(rb"<(\w+:)?sst(?:\s[^>]*?)?(/?)>")


class Package:
    """An open .xlsx file.

    Args:
        archive: The open ZIP archive.

    Attributes:
        sheets: Part of each worksheet by its name, in the order of the workbook.
        since_1904: Whether days are counted from 1904 on.

    Raises:
        BadWorkbook: The parts are missing or broken.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {_part(info.filename): info for info in archive.infolist()}
        self._main = main_part(archive)
        workbook = self._tree(self._main)
        if workbook is None:
            raise BadWorkbook("its list of sheets is missing")
        self.since_1904 = False
        self.sheets: dict[str, str] = {}
        self._others = self._related(self._main)
        for element in workbook.iter():
            match _local(element.tag):
                case "workbookPr":
                    self.since_1904 = element.get("date1904", "0") in ("1", "true", "on")
                case "sheet":
                    reference = next((text for key, text in element.items() if key.endswith("}id")), "")
                    kind, part = self._others.get(reference, ("", ""))
                    if kind == "worksheet":
                        self.sheets[element.get("name", "")] = part

    def styles(self) -> list[Kind]:
        """What the number format of each cell style means."""
        codes: dict[int, str] = {}
        kinds: list[Kind] = []
        tree = self._tree(self._other("styles"))
        for element in () if tree is None else tree:
            if _local(element.tag) == "numFmts":
                codes.update({_number(child, "numFmtId"): child.get("formatCode", "") for child in element})
            elif _local(element.tag) == "cellXfs":
                numbers = [_number(child, "numFmtId") for child in element]
                kinds = [kind_of_format(number, codes.get(number)) for number in numbers]
        return kinds

    def shared_strings(self) -> pa.Array:
        """The texts that cells refer to by number. They are held whole, as Arrow text."""
        part = self._other("sharedStrings")
        chunks: list[pa.Array] = []
        if part in self._members:
            with self.opened(part) as read:
                chunks.extend(_strings(read))
        return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())

    @contextmanager
    def opened(self, part: str) -> Iterator[Callable[[int], bytes]]:
        """Reads a part in order. Raises `BadWorkbook` where its content is missing or broken."""
        info = self._members.get(part)
        if info is None:
            raise BadWorkbook(f"its part {part} is missing")
        with content_errors():
            opened = self._archive.open(info)
        with opened as stream:

            def read(size: int) -> bytes:
                with content_errors():
                    return stream.read(size)

            yield read

    def _tree(self, part: str) -> Element | None:
        if part not in self._members:
            return None
        with self.opened(part) as read:
            parser = ElementTree.XMLParser()
            try:
                while data := read(READ_BYTES):
                    parser.feed(data)
                root: Element = parser.close()
            except (ElementTree.ParseError, LookupError, ValueError) as error:
                raise error if isinstance(error, BadWorkbook) else BadWorkbook(f"its part {part} is broken") from error
        return root

    def _other(self, kind: str) -> str:
        return next((part for found, part in self._others.values() if found == kind), "")

    def _related(self, part: str) -> dict[str, tuple[str, str]]:
        """Kind and name of the parts that a part refers to."""
        folder, name = posixpath.split(part)
        tree = self._tree(_part(posixpath.join(folder, "_rels", name + ".rels")))
        return {
            child.get("Id", ""): (
                child.get("Type", "").rpartition("/")[2],
                _part(posixpath.join("/" + folder, child.get("Target", ""))),
            )
            for child in (() if tree is None else tree)
        }


def main_part(archive: zipfile.ZipFile) -> str:
    """Name of the part that lists the sheets, or "" if there is none."""
    names = {_part(name) for name in archive.namelist()}
    start = "_rels/.rels"
    if start in names:
        info = next(info for info in archive.infolist() if _part(info.filename) == start)
        with content_errors():
            content = archive.read(info)
        try:
            for child in ElementTree.fromstring(content):
                if child.get("Type", "").endswith("/officeDocument"):
                    return _part(child.get("Target", ""))
        except ElementTree.ParseError:
            raise BadWorkbook("its list of parts is broken") from None
    return next((name for name in ("xl/workbook.xml", "xl/workbook.bin") if name in names), "")


@contextmanager
def content_errors() -> Iterator[None]:
    """Tells what is wrong with an archive. Errors of its storage pass."""
    try:
        yield
    except BadWorkbook:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError) as error:
        raise BadWorkbook("its content is broken or cut off") from error
    except (NotImplementedError, RuntimeError) as error:
        raise BadWorkbook("it is encrypted, or compressed in a way that is not known") from error


def unescaped(text: str) -> str:
    """Text of a cell without escapes such as ``_x000D_``, which stand for characters that XML cannot hold."""
    return _ESCAPED.sub(_characters, text) if "_x" in text else text


def _characters(match: re.Match[str]) -> str:
    units = bytes.fromhex("".join(match[0][start + 2 : start + 6] for start in range(0, len(match[0]), 7)))
    try:
        return units.decode("utf-16-be")
    except UnicodeDecodeError:
        return match[0]


def _strings(read: Callable[[int], bytes]) -> Iterator[pa.Array]:
    """Shared strings, chunk by chunk."""
    rest = read(READ_BYTES)
    if rest.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadWorkbook("its XML is not in UTF-8")
    while (root := _STRINGS.search(rest)) is None:
        more = read(READ_BYTES)
        if not more:
            raise BadWorkbook("its shared texts are cut off")
        rest += more
    if root[2]:
        return
    prefix = root[1] or b""
    item_end, list_end = b"</%bsi>" % prefix, b"</%bsst>" % prefix
    rest = rest[root.end() :]
    while True:
        end = rest.find(list_end)
        cut = end if end >= 0 else rest.rfind(item_end) + len(item_end)
        if end >= 0 or cut >= len(item_end):
            yield _strings_of(rest[:cut], plain=not prefix)
            rest = rest[cut:]
        if end >= 0:
            return
        more = read(READ_BYTES)
        if not more:
            raise BadWorkbook("its shared texts are cut off")
        rest += more


def _strings_of(block: bytes, plain: bool) -> pa.Array:
    found: list[str] | list[bytes] = _PLAIN_STRING.findall(block) if plain else []
    if len(found) != block.count(b"<si") or not plain or b"<!" in block or b"_x" in block:
        found = [unescaped(text) for text in _exact_strings(block)]
    try:
        return pa.array(found, pa.large_string())
    except (pa.ArrowInvalid, UnicodeError):
        raise BadWorkbook("its shared texts are not UTF-8") from None


def _exact_strings(block: bytes) -> list[str]:
    """Shared strings in any form of XML."""
    strings: list[str] = []
    path: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name.rpartition(":")[2])
        if len(path) == 2 and path[1] == "si":
            strings.append("")

    def end(_: str) -> None:
        path.pop()

    def text(data: str) -> None:
        if path[2:] in (["t"], ["r", "t"]):  # not `rPh`, which says how the text is read aloud
            strings[-1] += data

    parse_fragment(block, start, end, text)
    return strings


def parse_fragment(
    fragment: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> None:
    """Parse XML elements that stand beside one another, as children of one more element.

    Raises:
        BadWorkbook: It is not XML.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    try:
        parser.Parse(b"<fragment>", False)
        parser.Parse(fragment, False)
        parser.Parse(b"</fragment>", True)
    except expat.ExpatError as error:
        raise BadWorkbook(f"its XML is broken ({expat.errors.messages[error.code]})") from None


def _part(name: str) -> str:
    """Name of a part as one is compared with another."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _number(element: Element, attribute: str) -> int:
    text = element.get(attribute, "0")
    return int(text) if text.isdecimal() else 0

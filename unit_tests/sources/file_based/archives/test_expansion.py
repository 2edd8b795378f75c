"""Archives among other files, some of which are named as members are."""

from __future__ import annotations

import io
import logging
import zipfile
from datetime import datetime
from itertools import permutations

import pytest

from airbyte_cdk.sources.file_based.archives import ArchiveError, expanded
from airbyte_cdk.sources.file_based.storage_file import StorageFile

LOGGER = logging.getLogger("airbyte.test.expansion")


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, f"member {name}")
    return packed.getvalue()


STORED = {
    "a.zip": zipped("b.csv", "c.csv", "d.zip#e.csv"),
    "a.zip#b.csv": b"stored",
    "a.zip#x.csv": b"stored",
    "a.zip#d.zip": zipped("e.csv", "f.csv"),
    "gone.zip#b.csv": b"stored",
}


def opened(file: StorageFile) -> io.BytesIO:
    return io.BytesIO(STORED[file.uri])


@pytest.mark.parametrize("order", list(permutations(STORED)))
def test_a_member_keeps_its_uri_whatever_comes_first(order: tuple[str, ...]) -> None:
    files = [StorageFile(uri=uri, last_modified=datetime(2024, 1, 1), size=len(STORED[uri])) for uri in order]
    given = {file.uri: file for file in expanded(files, ["**", "*#**"], opened, LOGGER)}
    contents = {}
    for uri, file in given.items():
        try:
            contents[uri] = file.opened(opened).read()
        except ArchiveError as error:
            contents[uri] = error.reason.partition(",")[0].encode()
    assert contents == {
        "a.zip#b.csv": b"member b.csv",
        "a.zip#c.csv": b"member c.csv",
        "a.zip#d.zip#e.csv": b"member d.zip#e.csv",
        "a.zip#d.zip#f.csv": b"member f.csv",
        "a.zip#x.csv": b"stored",
        "gone.zip#b.csv": b"stored",
        "a.zip#b.csv (beside the archive)": b"is also the name of a member of the archive a.zip",
        "a.zip#d.zip#e.csv (beside the archive)": b"is also the name of a member of the archive a.zip",
    }

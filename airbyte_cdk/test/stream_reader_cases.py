"""What the suite for stream readers puts into a storage: names, globs, compressions."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class OddKey:
    """A name that storages and their libraries tend to spoil.

    Attributes:
        name: The uri below the folder of the test.
        beside: Uris of other files, for which a name that is decoded, encoded or normalised once too often stands.
        globs: Patterns below that folder that match it.
    """

    name: str
    beside: Sequence[str] = ()
    globs: Sequence[str] = ("**",)


def _long(folder: int) -> str:
    """A name with which the whole uri has 1,024 bytes, the most that S3, GCS and Azure allow."""
    parts = []
    left = 1024 - folder - 1
    while left > 200:
        parts.append("l" * 150)
        left -= 151
    return "/".join([*parts, "é" * ((left - 4) // 2) + "e" * (left % 2) + ".csv"])


def odd_keys(folder: str) -> dict[str, OddKey]:
    """The odd names, by the name of their case.

    Args:
        folder: Where they are put; only its length matters.
    """
    return {
        "spaces": OddKey(" two  spaces .csv", ["two  spaces .csv", "%20two%20%20spaces%20.csv"]),
        "unicode": OddKey("ünï 日本 😀.csv"),
        "normal_forms": OddKey("e\u0301.csv", ["\u00e9.csv"]),
        "upper_case": OddKey("Name.CSV", ["name.csv"]),
        "hash": OddKey("a#b#.csv", ["a"]),
        "percent": OddKey("100%.csv", ["100.csv"]),
        "percent_escape": OddKey("a%25b%2Fc%20d.csv", ["a%b/c d.csv", "a%2525b%252Fc%2520d.csv"]),
        "plus": OddKey("a+b.csv", ["a b.csv", "a%2Bb.csv"]),
        "question_mark": OddKey("a?b=c&d.csv", ["a"]),
        "quotes": OddKey("a'b\"c`<&amp;>.csv", ["a'b\"c`<&>.csv"]),
        "brackets": OddKey("a[1]{2,3}(4)*.csv", ["a1.csv"]),
        "punctuation": OddKey("a:b;c=d,e@f$g!h~i|j^k.csv"),
        "backslash": OddKey("a\\b.csv", ["a/b.csv"]),
        "control_character": OddKey("a\tb\x7f.csv"),
        "newline": OddKey("a\nb.csv", ["a"]),
        "leading_dot": OddKey(".hidden.csv", ["hidden.csv"], [".*"]),
        "leading_dots": OddKey("..two..csv", [], [".*"]),
        "folder_with_a_dot": OddKey(".folder/a.csv", ["folder/a.csv"], [".*/**"]),
        "drive_letter": OddKey("C:/a.csv"),
        "url": OddKey("https://example.org/a.csv"),
        "double_slash": OddKey("b//c.csv", ["b/c.csv"]),
        "trailing_slash": OddKey("content.csv/", [], ["**", "**/"]),
        "file_and_folder": OddKey("x.csv", ["x.csv/y.csv"]),
        "long": OddKey(_long(len(folder.encode()) + 1)),
    }


TREE = ["a.csv", "b.json", "dir/c.csv", "dir/deep/d.csv", "dir/deep/er/e.CSV", "dir-2/f.csv", "dir.csv", "other/g.csv"]
"""The files of the tests of globs, below the folder of a test."""

GLOBS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "all": (["**"], TREE),
    "one_level": (["*"], ["a.csv", "b.json", "dir.csv"]),
    "by_ending": (["**/*.csv"], [name for name in TREE if name.endswith(".csv")]),
    "in_a_folder": (["dir/*"], ["dir/c.csv"]),
    "below_a_folder": (["dir/**"], ["dir/c.csv", "dir/deep/d.csv", "dir/deep/er/e.CSV"]),
    "in_folders_of_a_folder": (["dir/*/*.csv"], ["dir/deep/d.csv"]),
    "of_one_character": (["?.csv"], ["a.csv"]),
    "of_a_set": (["[ab].*"], ["a.csv", "b.json"]),
    "beginnings_of_folders": (["dir*/*.csv"], ["dir/c.csv", "dir-2/f.csv"]),
    "one_file": (["dir/c.csv"], ["dir/c.csv"]),
    "several": (["*.json", "other/*", "dir/deep/d.csv"], ["b.json", "other/g.csv", "dir/deep/d.csv"]),
    "overlapping": (["**", "dir/*", "dir/c.csv"], TREE),
    "no_such_folder": (["gone/**/*.csv", "dir/gone/*"], []),
    "no_such_file": (["gone.csv", "di", "dir", "dir/"], []),
}
"""Globs below the folder of a test, and the files of `TREE` that match them."""

PREFIXES: Mapping[str, tuple[str, Sequence[str]]] = {
    "prefix_of_a_folder": ("dir/", ["dir/c.csv", "dir/deep/d.csv", "dir/deep/er/e.CSV"]),
    "prefix_of_a_name": ("dir/de", ["dir/deep/d.csv", "dir/deep/er/e.CSV"]),
    "prefix_of_names": ("dir", [name for name in TREE if name.startswith("dir")]),
    "prefix_of_a_file": ("dir/c.csv", ["dir/c.csv"]),
    "prefix_of_nothing": ("zzz", []),
}
"""Prefixes (`legacy_prefix`) below the folder of a test, and the files of `TREE` that begin with them."""


def _zstd(content: bytes) -> bytes:
    import pyarrow as pa

    compressed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return compressed


COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": _zstd,
    "xz": lzma.compress,
}
"""How the content of a compressed file is made, by its ending."""

MEMBERS = {"top.csv": b"id\n1\n", "dir/a b.csv": b"id\n2\n" * 50_000, "dir/deep/ü.csv": b"id\n3\n"}
"""The members of the archives, with their content."""


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _tar(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


ARCHIVES: Mapping[str, Callable[[Mapping[str, bytes]], bytes]] = {"zip": _zip, "tar.gz": _tar}
"""How an archive of members is made, by its ending."""

TIMES: Mapping[str, datetime] = {
    "in_winter": datetime(2021, 1, 2, 3, 4, 5),
    "in_summer": datetime(2021, 7, 2, 3, 4, 5),
    "in_an_hour_that_clocks_skip": datetime(2021, 3, 28, 2, 30, 0),
    "before_2000": datetime(1999, 12, 31, 23, 59, 59),
    "after_2038": datetime(2040, 2, 29, 0, 0, 0),
}
"""Times of last change (naive UTC, whole seconds) that a storage must give back exactly."""

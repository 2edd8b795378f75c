"""Which files are archives, and which globs reach into them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.archives import is_archive, may_hold, storage_prefix
from airbyte_cdk.sources.file_based.archives.naming import SUFFIXES, member_test
from airbyte_cdk.sources.file_based.globs import matches, prefixes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_archives_are_known_by_their_suffix(suffix: str) -> None:
    assert is_archive(f"dir/a{suffix}")
    assert is_archive(f"dir/a{suffix.upper()}")
    assert not is_archive(f"dir/a{suffix}.csv")
    assert not is_archive(f"dir/a{suffix}#x.csv")
    assert not is_archive(f"dir{suffix}/")


@pytest.mark.parametrize("uri", ["a.csv", "a.csv.gz", "azip", "zip", "", "a.zst", "a.gz", "a.tar.lz4", "a.zip "])
def test_other_files_are_no_archives(uri: str) -> None:
    assert not is_archive(uri)


@pytest.mark.parametrize(
    ("prefix", "listed"),
    [
        ("data/a.zip#in/", "data/a.zip"),
        ("data/a.zip#", "data/a.zip"),
        ("data/a.zip", "data/a.zip"),
        ("data/a.ZIP#x", "data/a.ZIP"),
        ("a#b.csv", "a#b.csv"),
        ("a#b.tgz#x", "a#b.tgz"),
        ("x.zip#y.csv", "x.zip"),
        ("a.zip#b.zip#c", "a.zip"),
        ("#a.zip", "#a.zip"),
        ("", ""),
    ],
)
def test_a_storage_is_listed_by_the_archive(prefix: str, listed: str) -> None:
    assert storage_prefix(prefix) == listed


@pytest.mark.parametrize(
    ("uri", "glob", "expected"),
    [
        ("a.zip", "**/*.csv", True),
        ("a.zip", "*.csv", True),
        ("dir/a.zip", "*.csv", False),
        ("dir/a.zip", "**/*.csv", True),
        ("dir/a.zip", "dir/a.zip#in/*.csv", True),
        ("dir/b.zip", "dir/a.zip#in/*.csv", False),
        ("dir/a.zip", "dir/*.zip", True),
        ("dir/a.zip", "**/*.zip", True),
        ("dir/a.zip", "**", True),
        ("dir/a.zip", "dir/*/x.csv", True),
        ("dir/a.zip", "other/*/x.csv", False),
        ("dir/a.zip", "dir/b*.csv", False),
        ("dir/a.zip", "dir/[ab].zip#*", True),
        ("dir/a.zip", "dir/[!a]*", False),
        ("dir/a.zip", "dir/?.zip#x", True),
        ("dir/a.zip", "dir/a.zip?x", True),
        ("dir/a.zip", "dir/a.csv", False),
        ("dir/a.zip", "**.csv", False),
        ("dir/a.zip", "dir/a\\.zip\\#x", True),
        (".a.zip", "*.csv", False),
        (".a.zip", ".*.csv", True),
        (".d/a.zip", "**/*.csv", False),
        ("a.zip", "", False),
        ("dir/a#b.zip", "dir/a#*", True),
    ],
)
def test_archives_are_opened_only_if_a_glob_can_match_a_member(uri: str, glob: str, expected: bool) -> None:
    assert may_hold(uri, [glob]) is expected
    assert may_hold(uri, ["nothing/here", glob]) is expected


texts = st.text(alphabet="ab/.*?#[]\\!", max_size=12)


@settings(max_examples=600, deadline=None)
@given(
    pattern=texts, folder=st.text(alphabet="ab/.", max_size=4), name=st.text(alphabet="ab/.#", min_size=1, max_size=6)
)
def test_no_archive_is_missed(pattern: str, folder: str, name: str) -> None:
    uri = f"{folder}a.zip"
    if matches(f"{uri}#{name}", [pattern]):
        assert may_hold(uri, [pattern])
        if "//" not in uri:
            assert any(uri.startswith(storage_prefix(p)) for p in prefixes([pattern]) or {""})


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["**/*.csv"], {"x.csv", "in/x.csv", "back\\slash.csv"}),
        (["*.csv"], {"x.csv", "back\\slash.csv"}),
        (["d/*.csv"], {"x.csv", "back\\slash.csv"}),
        (["d/a.zip#in/*"], {"in/x.csv", "in/z.txt", "in/inner.zip"}),
        (["**/*.zip"], {"x.csv", "in/x.csv", "in/z.txt", "back\\slash.csv"}),
        (["d/a.zip"], {"x.csv", "in/x.csv", "in/z.txt", "back\\slash.csv"}),
        (["**/*.zip", "d/a.zip#__MACOSX/*"], {"x.csv", "in/x.csv", "in/z.txt", "back\\slash.csv", "__MACOSX/y.csv"}),
        (["d/a.zip#in/inner.zip"], {"in/inner.zip"}),
        (["d/a.zip#.hidden.csv"], {".hidden.csv"}),
        (["d/a.zip#in/.h.csv"], {"in/.h.csv"}),
        (["other"], set()),
        ([], set()),
    ],
)
def test_members_wanted(globs: list[str], expected: set[str]) -> None:
    uri = "a.zip" if globs == ["*.csv"] else "d/a.zip"
    names = ["x.csv", "in/x.csv", "in/z.txt", "in/inner.zip", ".hidden.csv", "in/.h.csv", "__MACOSX/y.csv"]
    names += ["__MACOSX/._x.csv", "back\\slash.csv", "../out.csv"]
    wanted = member_test(uri, globs)
    got = {name for name in names if wanted(name)}
    assert got == expected

"""Which files are archives, and which globs reach into them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.archives import is_archive, may_hold, reach
from airbyte_cdk.sources.file_based.archives.naming import SUFFIXES, member_name, member_test
from airbyte_cdk.sources.file_based.fsspec_reader import listings_for
from airbyte_cdk.sources.file_based.globs import folders, matches


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
    ("glob", "listed"),
    [
        ("data/a.zip#in/*", "data/a.zip"),
        ("data/a.zip#", "data/a.zip"),
        ("data/a.zip", "data/a.zip"),
        ("data/a.ZIP#x", "data/a.ZIP"),
        ("data/a\\.zip\\#x", "data/a.zip"),
        ("data/*.zip#**/x.csv", "data/"),
        ("a#b.csv", "a#b.csv"),
        ("a#b/*.csv", "a#b/"),
        ("a#b.tgz#x", "a#b.tgz"),
        ("x.zip#y.csv", "x.zip"),
        ("a.zip#b.zip#c", "a.zip"),
        ("#a.zip", "#a.zip"),
        ("**#x", ""),
    ],
)
def test_a_storage_is_listed_by_the_archive(glob: str, listed: str) -> None:
    assert [prefix for prefix, _ in listings_for(reach([glob]), "")] == [listed]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("in/x.csv", "in/x.csv"),
        ("./x.csv", "x.csv"),
        ("../data/x.csv", "data/x.csv"),
        ("../../x.csv", "x.csv"),
        ("/abs/x.csv", "abs/x.csv"),
        ("a/../b/./c//x.csv", "b/c/x.csv"),
        ("a/../../x.csv", "x.csv"),
        ("..\\..\\in\\x.csv", "in/x.csv"),
        (".\\x.csv", "x.csv"),
        ("\\\\server\\x.csv", "server/x.csv"),
        ("back\\slash.csv", "back\\slash.csv"),
        ("a\\..b.csv", "a\\..b.csv"),
        ("..x/.y", "..x/.y"),
        ("\udce4\\.csv", "\\xe4\\.csv"),
        (" .csv", " .csv"),
        ("..", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_names_are_paths_from_the_top_of_the_archive(name: str, expected: str) -> None:
    assert member_name(name) == expected


@settings(max_examples=300, deadline=None)
@given(name=st.text(alphabet="ab/.\\", max_size=10))
def test_no_name_leads_out_of_the_archive(name: str) -> None:
    found = member_name(name)
    assert not {"", ".", ".."} & set(found.split("/")) or not found
    assert member_name(found) == found


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
        ("dir/a.zip", "**#x", True),
        ("dir/a.zip", "dir/**#x/**", True),
        ("dir/a.zip", "other/**#**", False),
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
    if matches(f"{uri}#{name}", [pattern]) or member_test(uri, [pattern])(name):
        assert may_hold(uri, [pattern])
        if "//" not in uri:
            assert any(uri.startswith(prefix) for prefix, _ in listings_for(reach([pattern]), ""))
            assert not folder or folders(reach([pattern]))(uri.rpartition("/")[0])


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
        (["d/a.zip#**/*.csv"], {"x.csv", "in/x.csv", "back\\slash.csv", "__MACOSX/y.csv"}),
        (["d/a.zip#*.csv"], {"x.csv", "back\\slash.csv"}),
        (["d/a.zip#**"], {"x.csv", "in/x.csv", "in/z.txt", "in/inner.zip", "back\\slash.csv", "__MACOSX/y.csv"}),
        (["d/*.zip#in/**"], {"in/x.csv", "in/z.txt", "in/inner.zip"}),
        (["**#**/z.txt"], {"in/z.txt"}),
        (["**/a.zip#./in/z.txt"], {"in/z.txt"}),
        (["d/a.zip#../*/z.txt"], {"in/z.txt"}),
        (["d/a.zip#/x.csv"], {"x.csv"}),
        (["d/a\\.zip\\#**/z.txt"], {"in/z.txt"}),
        (["d/b.zip#**"], set()),
        (["other"], set()),
        ([], set()),
    ],
)
def test_members_wanted(globs: list[str], expected: set[str]) -> None:
    uri = "a.zip" if globs == ["*.csv"] else "d/a.zip"
    names = ["x.csv", "in/x.csv", "in/z.txt", "in/inner.zip", ".hidden.csv", "in/.h.csv", "__MACOSX/y.csv"]
    names += ["__MACOSX/._x.csv", "back\\slash.csv"]
    wanted = member_test(uri, globs)
    got = {name for name in names if wanted(name)}
    assert got == expected

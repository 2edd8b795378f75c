"""Which paths globs match, and the prefixes under which those are listed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcmatch import glob

from airbyte_cdk.sources.file_based.globs import depth, folders, matcher, matches, prefixes


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "a/b.csv", False),
        ("a?.csv", "ab.csv", True),
        ("a?b", "a/b", False),
        ("a[/]b", "a/b", False),
        ("[!a].csv", "b.csv", True),
        ("[!a].csv", "a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("a/**", "a/b", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**.csv", "a/b.csv", True),
        ("a/**.csv", "a/b/c.csv", False),
        ("**", ".h.csv", False),
        ("**", ".d/a.csv", False),
        ("*", ".h.csv", False),
        (".*", ".h.csv", True),
        ("**", "a/../b", False),
        ("**", "./b", False),
        ("{a,b}.csv", "a.csv", False),
        ("{a,b}.csv", "{a,b}.csv", True),
        ("a|b", "a", False),
        ("a|b", "a|b", True),
        ("!(a)", "b", False),
        ("!a", "!a", True),
        ("!a", "b", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("A.csv", "a.csv", False),
        ("/a/*.csv", "//a/b.csv", True),
        ("archive.zip#*/*", "archive.zip#inner/path", True),
        ("**", "a b/ü\n.csv", True),
        ("b", "b/", False),
        ("*", "b/", False),
        ("**/*.csv", "a/b.csv/", False),
        ("**", "b/", True),
        ("a/**", "a/b/", True),
        ("b/", "b/", True),
        ("b/", "b", False),
        ("*/", "b//", True),
        ("", "", False),
        ("", "a", False),
    ],
)
def test_one_glob(pattern: str, path: str, expected: bool) -> None:
    assert matches(path, [pattern]) is expected


def test_several_globs() -> None:
    assert matches("b.csv", ["a.*", "b.*"])
    assert not matches("c.csv", ["a.*", "b.*"])
    assert not matches("a", [])
    assert matches("file-1500", [f"file-{number}" for number in range(2000)])


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], set()),
        ([""], set()),
        (["**"], set()),
        (["**/*.csv", "a/*.jsonl"], set()),
        (["a/*.csv", ""], {"a/"}),
        (["data_202?/*.csv"], {"data_202"}),
        (["data_202[34]/*.csv"], {"data_202"}),
        (["a/b.csv"], {"a/b.csv"}),
        (["a\\*b/*"], {"a*b/"}),
        (["a\\"], {"a"}),
        (["a/*", "a/b/*", "ab*", "b*"], {"a/", "ab", "b"}),
        (["a*", "a/b/*", "ab/*"], {"a"}),
        (["a//b/*"], {"a/"}),
        (["{a,b}/*"], {"{a,b}/"}),
        (["/x/**"], {"/x/"}),
    ],
)
def test_prefixes(globs: list[str], expected: set[str]) -> None:
    assert prefixes(globs) == expected


patterns = st.lists(st.text("ab/*?[]!\\.{", max_size=8), max_size=4)
paths = st.text("ab/*?[]!\\.{", max_size=8)


@given(patterns, paths)
@settings(max_examples=300, deadline=None)
def test_compiled_globs_agree_with_the_library(globs: list[str], path: str) -> None:
    if path.endswith("/"):  # ours are stricter there
        globs = [pattern for pattern in globs if pattern.endswith("/") or pattern.split("/")[-1] == "**"]
    expected = any(pattern and glob.globmatch(path, pattern, flags=glob.GLOBSTAR | glob.FORCEUNIX) for pattern in globs)
    assert matcher(globs)(path) is expected


@given(patterns, paths)
@settings(max_examples=300, deadline=None)
def test_every_match_is_under_a_prefix(globs: list[str], path: str) -> None:
    path = re.sub("/+", "/", path)
    found = prefixes(globs)
    if matches(path, globs) and found:
        assert path.startswith(tuple(found))


@given(st.lists(st.sampled_from(["a/b", "a/", "*", "b?", "c/[x]", "a/b/c*", "\\*x"]), min_size=1))
@settings(max_examples=100, deadline=None)
def test_no_prefix_covers_another(globs: list[str]) -> None:
    found = prefixes(globs)
    assert not [(a, b) for a in found for b in found if a != b and a.startswith(b)]


@pytest.mark.parametrize(
    ("globs", "inside", "outside"),
    [
        (["a/*/c.csv"], ["a", "a/b"], ["b", "a/b/c", "a/b/c.csv", "a/.b"]),
        (["a/**/c.csv"], ["a", "a/b", "a/b/c/d"], ["b"]),
        (["a/**"], ["a", "a/b"], ["b", "aa", "a/.b", "a/.b/c"]),
        (["**/.b/**"], ["a", "a/.b", "a/.b/c"], ["a/.c"]),
        (["*.csv"], [""], ["a", "a.csv"]),
        (["year=[0-9]*/x", "b/c"], ["year=2024", "b"], ["year=x", "c"]),
        (["a//b/x"], ["a", "a/b", "a//b"], ["b"]),
        ([r"a\*/x"], ["a*", "anything"], []),
        (["a[/b/x"], ["a[", "anything"], []),
        ([], [], ["", "a"]),
    ],
)
def test_folders_that_can_hold_matches(globs: list[str], inside: list[str], outside: list[str]) -> None:
    reached = folders(globs)
    assert [folder for folder in inside if not reached(folder)] == []
    assert [folder for folder in outside if reached(folder)] == []


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.csv"], 0),
        (["a/*.csv", "b"], 1),
        (["a/*/c/d"], 3),
        (["a/**"], None),
        ([r"a\/b"], None),
        (["*/"], 1),
        ([], 0),
    ],
)
def test_depth(globs: list[str], expected: int | None) -> None:
    assert depth(globs) == expected


NAMES = st.lists(st.sampled_from(["a", "b", "ab", ".a", "", "[a", "x*"]), min_size=1, max_size=4)
PATTERNS = st.lists(
    st.sampled_from(["a", "*", "**", "a*", "?", "[ab]", "[a", "b]", "", ".*", r"\a"]), min_size=1, max_size=4
)


@given(NAMES, PATTERNS)
@settings(deadline=None, max_examples=500)
def test_no_match_lies_outside_of_the_folders_and_the_depth(names: list[str], pattern: list[str]) -> None:
    path, pattern_text = "/".join(names), "/".join(pattern)
    if matches(path, [pattern_text]) and names[-1]:  # a path may end in /, but that is no folder of a file
        reached = folders([pattern_text])
        above = [path[:at] for at, character in enumerate(path) if character == "/"]
        assert all(reached(folder) for folder in above)
        bound = depth([pattern_text])
        assert bound is None or len([name for name in names[:-1] if name]) <= bound


WHOLE_NAMES = st.lists(st.sampled_from(["a", "b", "ab", ".a", "[a", "x*"]), min_size=1, max_size=3)


@given(WHOLE_NAMES, WHOLE_NAMES, WHOLE_NAMES, st.lists(PATTERNS, min_size=1, max_size=2))
@settings(deadline=None, max_examples=500)
def test_folders_of_equal_answers_hold_the_same_matches(
    one: list[str], other: list[str], below: list[str], patterns: list[list[str]]
) -> None:
    globs = ["/".join(pattern) for pattern in patterns]
    reached = folders(globs)
    if reached("/".join(one)) == reached("/".join(other)):
        assert matches("/".join([*one, *below]), globs) == matches("/".join([*other, *below]), globs)


def test_what_is_left_of_globs_is_told_apart() -> None:
    reached = folders(["**/latest/*.csv"])
    assert reached("a") == reached("b/c") == reached("latest/x")
    assert reached("latest") == reached("x/latest") != reached("x")
    reached = folders(["*/*.csv", "x*/*/*.csv"])
    assert len({reached("a"), reached("b"), reached("x"), reached("xy")}) == 2
    assert reached("xy/a") != reached("b")
    assert not reached("a/b")

"""Patterns of URLs, and the uris of the files that they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airbyte_cdk.sources.file_based.access.storage_access import anything
from airbyte_cdk.sources.file_based.globs import matches
from airbyte_cdk.sources.file_based.storages.http_urls import MOST_URLS, UrlList, check_base_url, query_secrets, shown


def urls(*patterns: str) -> list[str]:
    return [member.url for member in UrlList(patterns).members(anything)]


def uris(*patterns: str) -> list[str]:
    return [member.uri for member in UrlList(patterns).members(anything)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{1..3}", ["1", "2", "3"]),
        ("{08..11}", ["08", "09", "10", "11"]),
        ("{001..2}", ["001", "002"]),
        ("{0..2}", ["0", "1", "2"]),
        ("{5..5}", ["5"]),
        ("{2024-02-28..2024-03-01}", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("{2024-12-31..2025-01-01:%Y/%m/%d}", ["2024/12/31", "2025/01/01"]),
        ("{2024-01-15..2024-03-01:%Y-%m}", ["2024-01", "2024-02", "2024-03"]),
        ("{2024-01-01..2024-01-02:%y%j}", ["24001", "24002"]),
        ("{0987-01-01..0987-01-01:%%Y=%Y}", ["%Y=0987"]),
        ("{1..2}-{a}", None),
        ("{1..2}{01..02}", ["101", "102", "201", "202"]),
        ("{2024-01-01..2024-01-02:%d}/{0..1}", ["01/0", "01/1", "02/0", "02/1"]),
        ("plain%20%7B1..2%7D", ["plain%20%7B1..2%7D"]),
    ],
)
def test_patterns(pattern: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="is not a range"):
            urls(f"https://h/{pattern}")
    else:
        assert urls(f"https://h/{pattern}.csv") == [f"https://h/{text}.csv" for text in expected]


def test_an_open_end_is_the_current_day_in_utc() -> None:
    today = datetime.now(UTC).date()
    start = today - timedelta(2)
    found = urls(f"https://h/{{{start}..today:%Y%m%d}}.csv")
    later = datetime.now(UTC).date()  # midnight may have passed
    assert found[:3] == [f"https://h/{start + timedelta(days):%Y%m%d}.csv" for days in range(3)]
    assert len(found) == (later - start).days + 1 or later != today
    # in the east it is tomorrow already
    assert len(urls(f"https://h/{{{today + timedelta(1)}..today}}.csv")) == (later - today).days
    with pytest.raises(ValueError, match=r"\.\.today:%Y%m%d\} is empty: it begins in the future"):
        UrlList([f"https://h/{{{today + timedelta(3)}..today:%Y%m%d}}.csv"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://h/{3..1}.csv", r"\{3\.\.1\} is empty"),
        ("https://h/{2024-03-01..2024-02-01}", "is empty"),
        ("https://h/{2024-02-30..2024-03-01}", "names a day that does not exist"),
        ("https://h/{2024-01-01..2024-03-01:%H}", "has a format"),
        ("https://h/{2024-01-01..2024-03-01:%}", "has a format"),
        ("https://h/{2024-01-01..2024-03-01:daily}", "has a format"),
        ("https://h/{1..10..2}", "is not a range"),
        ("https://h/{a..c}", "is not a range"),
        ("https://h/{1..2", "a brace is not closed"),
        ("https://h/1..2}", "a brace is not closed"),
        ("https://h/{{1..2}}", "a brace is not closed"),
        ("ftp://h/a.csv", "must begin with http:// or https://"),
        ("h/a.csv", "must begin with http:// or https://"),
        ("https:///a.csv", "and a host"),
        ("https://files..local/a.csv", "and a host"),
        ("https://h:port/a.csv", "is not a URL"),
        ("https://h/a\nb.csv", "is not a URL"),
        ("https://reader:hunter22@h/a.csv", "give user and password as credentials"),
        ("https://h/a.csv#part", "write %23"),
        (f"https://h/{{0..{MOST_URLS}}}.csv", "more than 100,000 files"),
        ("https://h/{1..1000}/{1..1000}.csv", "more than 100,000 files"),
        ("https://h/{1..999999999999}/x.csv", "more than 100,000 files"),
    ],
)
def test_wrong_urls_are_named_without_their_secrets(url: str, message: str) -> None:
    secret = "sig=topsecret"
    with pytest.raises(ValueError, match=message) as raised:
        UrlList([url if "#" in url else f"{url}?{secret}"])
    assert "topsecret" not in str(raised.value)
    assert "hunter22" not in str(raised.value)


def test_the_bound_holds_for_all_urls_together() -> None:
    with pytest.raises(ValueError, match="more than 100,000 files"):
        UrlList([f"https://h/a{{1..{MOST_URLS}}}", "https://h/b"])
    assert len(uris(f"https://h/a{{1..{MOST_URLS}}}")) == MOST_URLS


def test_expansion_is_lazy_and_filtered() -> None:
    members = UrlList(["https://h/{1..300}/{1..300}.csv"]).members(lambda uri: uri.startswith("https://h/2/"))
    assert next(members).uri == "https://h/2/1.csv"
    assert [member.uri for member in members] == [f"https://h/2/{number}.csv" for number in range(2, 301)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # the query is not a part of a uri: signatures change
        (["https://h/a.csv?X-Amz-Signature=1"], ["https://h/a.csv"]),
        (["https://h/a.csv?v=1&w=2", "https://h/b.csv?v=1"], ["https://h/a.csv", "https://h/b.csv"]),
        # but ranges stay
        (["https://h/x?day={1..2}&token=abc"], ["https://h/x?day=1", "https://h/x?day=2"]),
        (["https://h/x?token=abc{1..2}&n={1..2}"], None),
        (["https://h/x?key={1..2}"], ["https://h/x?key=1", "https://h/x?key=2"]),
        # and what makes URLs differ
        (
            ["https://h/x?table=a&f=csv&sig=111", "https://h/x?table=b&f=csv&sig=222"],
            ["https://h/x?table=a", "https://h/x?table=b"],
        ),
        (["https://h/x", "https://h/x?table=b"], ["https://h/x", "https://h/x?table=b"]),
        (["https://h/{1..2}?t=a", "https://h/{1..2}?t=b"], [f"https://h/{n}?t={t}" for t in "ab" for n in (1, 2)]),
        # one file once
        (["https://h/{1..3}", "https://h/{2..4}", "https://h/1"], [f"https://h/{n}" for n in (1, 2, 3, 4)]),
    ],
)
def test_uris(given: list[str], expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="several times with different queries"):
            uris(*given)
    else:
        assert uris(*given) == expected


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("sig", "secret1", "secret2"), ("X-Goog-Signature", "secret1", "secret2"), ("x", "a" * 32, "b" * 32)],
)
def test_urls_that_differ_by_signatures_only_are_refused(name: str, one: str, other: str) -> None:
    with pytest.raises(ValueError, match=r"https://h/a\.csv several times with different queries") as raised:
        uris(f"https://h/a.csv?{name}={one}", f"https://h/a.csv?{name}={other}")
    assert one not in str(raised.value)
    assert other not in str(raised.value)


def test_a_uri_leads_back_to_its_url() -> None:
    files = UrlList(["https://h/{1..2}.csv?sig=abc", "https://h/x?table=a", "https://h/x?table=b"])
    assert files.url("https://h/2.csv") == "https://h/2.csv?sig=abc"
    assert files.url("https://h/x?table=b") == "https://h/x?table=b"
    assert files.url("https://h/3.csv") is None
    assert files.url("https://h/2.csv?sig=abc") is None


def test_uris_match_globs() -> None:
    assert matches("https://example.com/data/a.csv", ["**"])
    assert matches("https://example.com/data/a.csv", ["**/*.csv"])
    assert matches("https://example.com/data/a.csv", ["https://example.com/data/*"])


def test_secrets_of_queries() -> None:
    url = "https://h/a.csv?table=customers&sig=ab%2Fcd&next=" + "z" * 40
    assert list(query_secrets([url, "https://h/b.csv", " https://h/c.csv?v=1 "])) == [
        "table=customers&sig=ab%2Fcd&next=" + "z" * 40,
        "ab%2Fcd",
        "ab/cd",
        "z" * 40,
        "z" * 40,
        "v=1",
    ]


def test_shown() -> None:
    assert shown("https://user:word@h:81/a@b?c=d#e") == "https://h:81/a@b"


@pytest.mark.parametrize("url", ["https://h/d/?sig=topsecret", "h/d", "https://u:topsecret@h/", "file:///d"])
def test_wrong_base_urls(url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as raised:
        check_base_url(url)
    assert "topsecret" not in str(raised.value)

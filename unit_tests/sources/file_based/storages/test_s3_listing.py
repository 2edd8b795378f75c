from concurrent.futures import Future
from datetime import datetime

import pytest

from airbyte_cdk.sources.file_based.access.errors import AnswerError
from airbyte_cdk.sources.file_based.access.storage_access import Listed, Trouble
from airbyte_cdk.sources.file_based.storages.s3_listing import entries, listed, whole

XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def contents(key, size=5, modified="2026-11-22T06:55:25.000Z", etag="&quot;827c&quot;"):
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>"
        "<Owner><ID>7</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    )


def page(*objects, token=None, encoded=True, namespace=XMLNS, more=None):
    more = token is not None if more is None else more
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{namespace}><Name>b</Name><Prefix></Prefix>'
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{''.join(objects)}"
        "<CommonPrefixes><Prefix>folder/</Prefix></CommonPrefixes>"
        + ("<EncodingType>url</EncodingType>" if encoded else "")
        + (f"<NextContinuationToken>{token}</NextContinuationToken>" if token else "")
        + "</ListBucketResult>"
    ).encode()


class Pages:
    """A storage of these pages; counts what was asked for."""

    def __init__(self, pages):
        self.pages = pages
        self.asked = []

    def __call__(self, token):
        self.asked.append(token)
        future = Future()
        answer = self.pages[token]
        try:
            if isinstance(answer, Exception):
                raise answer
            future.set_result(whole(answer))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("namespace", [XMLNS, "", ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"'])
def test_the_fields_of_an_object(namespace):
    body = page(
        contents("a.csv"), contents("b.csv", etag="plain", modified="2026-11-22T06:55:25Z"), namespace=namespace
    )

    assert list(entries(body)) == [
        Listed("a.csv", 5, datetime(2026, 11, 22, 6, 55, 25), "827c"),
        Listed("b.csv", 5, datetime(2026, 11, 22, 6, 55, 25), "plain"),
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a%2Bb+c%20d", "a+b c d"),
        ("100%25", "100%"),
        ("a%2525", "a%25"),
        ("x%01%0A%0D%09y", "x\x01\n\r\ty"),
        ("%C3%A9%F0%9F%98%80", "é😀"),
        ("%2Flead//b/./../c", "/lead//b/./../c"),
        ("a&amp;b", "a&b"),
    ],
)
def test_encoded_keys(written, key):
    assert [file.uri for file in entries(page(contents(written)))] == [key]


def test_keys_are_taken_as_they_are_if_the_storage_does_not_encode():
    keys = ["a+b%2B", "a&amp;b&#xD;&#10;&lt;"]
    found = entries(page(*map(contents, keys), encoded=False))

    assert [file.uri for file in found] == ["a+b%2B", "a&b\r\n<"]


ODDLY_WRITTEN = {
    "spaces between": lambda text: text.replace("><", ">\n  <"),
    "a comment": lambda text: text.replace("<Contents>", "<!-- <Contents></Contents> --><Contents>", 1),
    "an entity in a key": lambda text: text.replace("<Key>", "<Key>&#97;"),
    "a field that is new": lambda text: text.replace("<Size>", "<New><Key>no</Key></New><Size>"),
    "attributes": lambda text: text.replace("<Key>", '<Key kind="usual">'),
    "folders between": lambda text: text.replace(
        "</Contents>", "</Contents><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>"
    ),
    "a field twice": lambda text: text.replace("<Size>", "<Key/><Size>"),
}


@pytest.mark.parametrize("oddly", ODDLY_WRITTEN.values(), ids=ODDLY_WRITTEN)
@pytest.mark.parametrize("encoded", [True, False])
def test_pages_that_are_written_otherwise_are_read_as_xml(oddly, encoded):
    text = page(contents("b c%2B1"), contents("d/", 0), contents("e"), encoded=encoded).decode()
    odd = oddly(text)
    start = "a" if "&#97;" in odd else ""
    files = [file._replace(uri=start + file.uri) for file in entries(text.encode())]

    assert odd != text
    if "<Key/>" in odd:
        with pytest.raises(AnswerError, match="without key"):
            list(entries(odd.encode()))
    else:
        assert list(entries(odd.encode())) == files


def test_another_encoding_is_read_as_xml():
    text = page(contents("é"), encoded=False).decode().replace('"UTF-8"', '"ISO-8859-1"')

    assert [file.uri for file in entries(text.encode("latin-1"))] == ["é"]


def test_markers_of_folders_are_left_out_but_not_what_looks_like_one():
    body = page(contents("folder/", 0), contents("full/", 3), contents("empty", 0))

    assert [file.uri for file in entries(body)] == ["full/", "empty"]


def test_times_of_any_zone_and_precision_become_naive_utc():
    body = page(
        contents("a", modified="2026-01-01T01:00:00.123+01:00"),
        contents("b", modified="2026-01-01T00:00:00.123456789Z"),
    )

    assert [file.modified for file in entries(body)] == [
        datetime(2026, 1, 1, 0, 0, 0, 123000),
        datetime(2026, 1, 1, 0, 0, 0, 123456),
    ]


def test_the_next_page_is_asked_for_before_a_page_is_used_and_no_further_one():
    pages = Pages(
        {
            None: page(contents("a"), contents("b"), token="1&amp;&quot;&#39;"),
            "1&\"'": page(contents("c"), token="two"),
            "two": page(contents("d")),
        }
    )
    files = listed(pages)

    assert next(files).uri == "a"
    assert pages.asked == [None, "1&\"'"]
    assert [file.uri for file in files] == ["b", "c", "d"]
    assert pages.asked == [None, "1&\"'", "two"]


def test_an_error_on_a_later_page_is_raised():
    files = listed(Pages({None: page(contents("a"), token="t"), "t": ConnectionResetError("gone")}))

    assert next(files).uri == "a"
    with pytest.raises(ConnectionResetError):
        list(files)


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (page(contents("a"))[:-30], Trouble.TEMPORARY),
        (page(contents("a"))[:80], Trouble.TEMPORARY),
        (page(contents("&#x1;")), Trouble.OTHER),
        (page(contents("\x01")), Trouble.OTHER),
        (page(contents("a")).replace(b"<Name>", b"<Nome>"), Trouble.OTHER),
        (page(contents("a")).replace(b"</Contents>", b"</Contents></Contents>"), Trouble.OTHER),
        (page(contents("a"), more=True), Trouble.OTHER),
        (page("<Contents><Key>a</Key></Contents>"), Trouble.OTHER),
        (page(contents("%FF")), Trouble.OTHER),
        (page(contents("a", size="many")), Trouble.OTHER),
        (page(contents("a", modified="yesterday")), Trouble.OTHER),
        (b"<!DOCTYPE html><html><body>MinIO Console<br></body></html>", Trouble.CONFIG),
        (b"<Error><Code>InternalError</Code></Error>", Trouble.TEMPORARY),
        (b"<html><body>console</body></html>", Trouble.CONFIG),
        (b"", Trouble.TEMPORARY),
    ],
)
def test_what_is_no_whole_page_raises(body, trouble):
    with pytest.raises(AnswerError) as raised:
        list(listed(Pages({None: body})))
    assert raised.value.failure.trouble is trouble


def test_a_storage_that_repeats_a_page_does_not_keep_us_for_ever():
    with pytest.raises(AnswerError, match="again and again"):
        list(listed(Pages({None: page(token="t"), "t": page(contents("a"), token="t")})))

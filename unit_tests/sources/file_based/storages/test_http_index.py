"""Index pages of many servers, and pages that are none.

The pages of Apache and Caddy were made by them (and shortened); that of IIS is written as IIS writes them.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.access.storage_access import Listed, StorageAccess, Trouble
from airbyte_cdk.sources.file_based.storages.http import HttpOptions, connect
from airbyte_cdk.sources.file_based.storages.http_errors import HttpError
from airbyte_cdk.sources.file_based.storages.http_parallel import in_parallel
from servers.http import Nginx
from servers.web import Answer, Asked, WebServer

HTML = {"Content-Type": "text/html"}

APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html>
 <head>
  <title>Index of /data</title>
 </head>
 <body>
<h1>Index of /data</h1>
<pre>      <a href="?C=N;O=D">Name</a>                    <a href="?C=M;O=A">Last modified</a>
      <a href="?C=S;O=A">Size</a>  <a href="?C=D;O=A">Description</a><hr>
      <a href="/">Parent Directory</a>                             -
      <a href="%3clt%3e.csv">&lt;lt&gt;.csv</a>                2026-11-22 06:52    9
      <a href="C=M;O=A">C=M;O=A</a>                 2026-11-22 06:52    8
      <a href="am&amp;amp.csv">am&amp;amp.csv</a>              2026-11-22 06:52   11
      <a href="./col:on.csv">col:on.csv</a>              2026-11-22 06:52   11
      <a href="pc%2525.csv">pc%25.csv</a>               2026-11-22 06:52   10
      <a href="pl+us.csv">pl+us.csv</a>               2026-11-22 06:52   10
      <a href="q%3fm.csv">q?m.csv</a>                 2026-11-22 06:52    8
      <a href="semi;colon.csv">semi;colon.csv</a>          2026-11-22 06:52   15
      <a href="sub/">sub/</a>                    2026-11-22 06:52    -
<hr></pre>
</body></html>
"""

CADDY = """<!DOCTYPE html>
<html>
	<head>
		<title>data</title>
		<link rel="canonical" href="/data/"  />
	</head>
<body>
	<h1>
		<a href="../">/</a><a href="">data</a>/
	</h1>
	<a href="?sort=namedirfirst&order=desc" class="icon"></a>
	<a href="?sort=name&order=asc">Name</a>
	<a href="..">Up</a>
	<a href="./sub/">sub</a>
	<a href="./q%3Fm.csv">q?m.csv</a>
	<a href="./%C3%BCn%C3%AF.csv">file</a>
	<a rel="noopener noreferrer" href="https://caddyserver.com">Caddy</a>
</body>
</html>
"""

IIS = """<html><head><title>example.com - /data/</title></head><body><H1>example.com - /data/</H1><hr>

<pre><A HREF="/">[To Parent Directory]</A><br><br> 6/17/2020  3:18 AM    &lt;dir&gt; <A HREF="/data/sub/">sub</A><br>
 6/17/2020  3:18 AM            9 <A HREF="/data/q%3Fm.csv">q?m.csv</A><br>
 6/17/2020  3:18 AM            9 <A HREF="/data/two%20words.csv">two words.csv</A><br></pre><hr></body></html>
"""

EMPTY = "<html><head><title>Index of /data/sub/</title></head><body><h1>Index of /data/sub/</h1></body></html>"


def access(base_url: str, **options: Any) -> StorageAccess:
    filesystem, root = connect(HttpOptions(base_url=base_url, **options))
    found: StorageAccess = filesystem.storage_access(root)
    return found


@contextmanager
def serving(pages: dict[str, str | bytes | Answer]) -> Iterator[WebServer]:
    """A server of these pages; every other path that has no slash at its end is a small file."""

    def answer(asked: Asked) -> Answer:
        page = pages.get(asked.path)
        if isinstance(page, Answer):
            return page
        if page is not None:
            return Answer(body=page if isinstance(page, bytes) else page.encode("latin1"), headers=HTML)
        return Answer(404) if asked.path.endswith("/") else Answer(body=asked.path.encode())

    with WebServer(answer) as server:
        yield server


@pytest.mark.parametrize(
    ("page", "uris"),
    [
        (
            APACHE,
            ["<lt>.csv", "C=M;O=A", "am&amp.csv", "col:on.csv", "pc%25.csv", "pl+us.csv", "q?m.csv", "semi;colon.csv"],
        ),
        (CADDY, ["q?m.csv", "ünï.csv"]),
        (IIS, ["q?m.csv", "two words.csv"]),
    ],
    ids=["apache", "caddy", "iis"],
)
def test_pages(page: str, uris: list[str]) -> None:
    with serving({"/data/": page, "/data/sub/": EMPTY}) as server:
        files = access(f"{server.url}/data")
        assert sorted(listed.uri for listed in files.files("")) == sorted(uris)
        assert {asked.path for asked in server.asked if asked.path.endswith("/")} == {"/data/", "/data/sub/"}
        for uri in uris:  # what is decoded once is encoded once
            content = files.open(uri)
            assert content.read(1000).decode().lower() in {asked.path.lower() for asked in server.asked}
            content.close()


def index(*hrefs: str, title: str = "Index of /") -> str:
    links = "\n".join(f'<a href="{href}">name</a>' for href in hrefs)
    return f"<html><head><title>{title}</title></head><body>{links}</body></html>"


@pytest.mark.parametrize(
    ("href", "uri"),
    [
        ("a.csv", "a.csv"),
        ("./a.csv", "a.csv"),
        ("././a.csv", "a.csv"),
        ("/data/a.csv", "a.csv"),
        ("/d%61ta/a.csv", "a.csv"),
        ("//HOST/data/a.csv", "a.csv"),
        ("http://HOST/data/a.csv", "a.csv"),
        ("https://HOST/data/a.csv", "a.csv"),
        ("deep/er/a.csv", "deep/er/a.csv"),
        (" a&#46;csv\n", "a.csv"),
        ("a.csv#part", "a.csv"),
        ("%2e%2e.csv", "...csv"),
        ("100%.csv", "100%.csv"),
        ("a%0Ab", "a\nb"),
        # not to be decoded: another path, or no text
        ("a%2Fb.csv", "a%2Fb.csv"),
        ("caf%E9.csv", "caf%E9.csv"),
        ("../a.csv", None),
        ("..", None),
        ("%2e%2e/a.csv", None),
        ("a/../../b.csv", None),
        ("a//b.csv", None),
        ("/a.csv", None),
        ("/", None),
        ("/data", None),
        ("/database/a.csv", None),
        ("http://other.example/data/a.csv", None),
        ("//other.example/data/a.csv", None),
        ("a.csv?download=1", None),
        ("?C=M;O=A", None),
        ("#top", None),
        (".", None),
        ("./", None),
        ("", None),
        ("mailto:a@b", None),
        ("javascript:go()", None),
        ("ftp://HOST/data/a.csv", None),
    ],
)
def test_links(href: str, uri: str | None) -> None:
    pages: dict[str, str | bytes | Answer] = {}
    with serving(pages) as server:
        pages["/data/"] = index(href.replace("HOST", server.url.removeprefix("http://")), "b.csv")
        files = access(f"{server.url}/data/")
        assert [listed.uri for listed in files.files("")] == ([uri, "b.csv"] if uri else ["b.csv"])
        if uri:
            content = files.open(uri)
            asked = content.read(1000).decode()
            content.close()
            assert server.methods(asked) == ["HEAD", "GET"]


def test_names_that_stay_as_they_are_spelled_lead_back_to_their_folder_too() -> None:
    pages = {"/": index("caf%E9/", "caf%C3%A9/"), "/caf%E9/": index("%FC%20.csv", "é.csv"), "/caf%C3%A9/": index("x")}
    with serving({path: page.encode() for path, page in pages.items()}) as server:
        files = access(server.url)
        found = [listed.uri for listed in files.files("")]
        assert found == ["caf%E9/%FC%20.csv", "caf%E9/é.csv", "café/x"]
        server.asked.clear()
        for uri in found:
            files.info(uri)
        assert [asked.path for asked in server.asked] == ["/caf%E9/%FC%20.csv", "/caf%E9/%C3%A9.csv", "/caf%C3%A9/x"]


def test_two_names_that_are_one_once_decoded_are_no_silent_loss() -> None:
    with serving({"/": index("caf%E9.csv", "caf%25E9.csv")}) as server:
        with pytest.raises(HttpError, match="lists two files whose names are both") as raised:
            list(access(server.url).files(""))
        assert raised.value.failure.trouble is Trouble.CONFIG


@pytest.mark.parametrize(
    "page",
    [
        "<html><title>Welcome</title><body><a href='/about'>About</a> <a href='data/'>Data</a></body></html>",
        "<html><head><title>Log in</title></head><body><form></form></body></html>",
        "",
        Answer(body=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"}),
        Answer(body=b"[]", headers={"Content-Type": "application/json"}),
        Answer(403),
        Answer(401),
        Answer(301, headers={"Location": "/login"}),
    ],
)
def test_what_is_no_index_is_a_config_error_that_names_the_url(page: str | Answer) -> None:
    with serving({"/data/": page, "/login": "<html><title>Log in</title></html>"}) as server:
        with pytest.raises(HttpError, match=f"{server.url}/data/") as raised:
            list(access(f"{server.url}/data/").files(""))
        assert raised.value.failure.trouble is Trouble.CONFIG
        # and of a folder below it the same
        with serving({"/": index("a.csv", "sub/"), "/sub/": page, "/login": ""}) as outer:
            with pytest.raises(HttpError, match=f"{outer.url}/sub/"):
                list(access(outer.url).files(""))
            found = access(outer.url).files("", enter=lambda folder: folder != "sub")
            assert [listed.uri for listed in found] == ["a.csv"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_folder_that_fails_is_never_a_shorter_listing(status: int) -> None:
    with serving({"/": index("a.csv", "sub/", "b.csv"), "/sub/": Answer(status)}) as server:
        with pytest.raises(HttpError, match="/sub/") as raised:
            list(access(server.url).files(""))
        assert raised.value.failure.trouble is Trouble.TEMPORARY


def test_a_page_that_breaks_off_is_never_a_shorter_listing() -> None:
    page = index("a.csv", "b.csv").encode()
    whole = {"Content-Type": "text/html", "Content-Length": str(len(page))}
    broken = [
        Answer(body=page[:-30], headers=whole),
        Answer(body=page[:-30], headers={"Content-Type": "text/html", "Content-Length": None}),
        Answer(body=b"20\r\n" + page[:32], headers={"Content-Type": "text/html", "Transfer-Encoding": "chunked"}),
    ]
    for answer in broken:
        with serving({"/": answer}) as server:
            with pytest.raises(HttpError, match="broke off") as raised:
                list(access(server.url).files(""))
            assert raised.value.failure.trouble is Trouble.TEMPORARY
    with serving({"/": Answer(body=page, headers={"Content-Type": "text/html", "Content-Length": None})}) as server:
        assert len(list(access(server.url).files(""))) == 2


def test_a_folder_that_is_listed_as_a_file_is_no_silent_loss() -> None:
    moved = Answer(301, headers={"Location": "/sub/"})
    with serving({"/": index("a.csv", "sub"), "/sub": moved, "/sub/": EMPTY}) as server:
        files = access(server.url)
        with pytest.raises(HttpError, match="/sub is a folder, not a file") as raised:
            list(files.files(""))
        assert raised.value.failure.trouble is Trouble.CONFIG
        assert len(list(files.files("", wanted=lambda uri: uri.endswith(".csv")))) == 1


def test_links_that_lead_back_end() -> None:
    pages: dict[str, str | bytes | Answer] = {"/" + "loop/" * depth: index("loop/", "./", "x") for depth in range(100)}
    with serving(pages) as server:
        with pytest.raises(HttpError, match="inside of 64 folders") as raised:
            list(access(server.url).files(""))
        assert raised.value.failure.trouble is Trouble.CONFIG
        assert len(list(access(server.url).files("", recursive=False))) == 1
    # a folder that the server redirects to the folder above it
    back = Answer(302, headers={"Location": "/"})
    with (
        serving({"/": index("a/"), "/a/": back}) as server,
        pytest.raises(HttpError, match="/a/ is not an index page, or redirects to another one: globs can leave"),
    ):
        list(access(server.url).files(""))


def test_the_base_may_be_redirected() -> None:
    with serving({"/new/": index("/new/a.csv", "sub/", title="x - /new/"), "/new/sub/": index("b.csv")}) as new:
        moved = {
            f"/old/{path}": Answer(307, headers={"Location": f"{new.url}/new/{path}"})
            for path in ("", "sub/", "a.csv", "sub/b.csv")
        }
        with serving(moved) as old:
            files = access(f"{old.url}/old")
            assert [(listed.uri, listed.size) for listed in files.files("")] == [("a.csv", 10), ("sub/b.csv", 14)]


def test_the_files_of_a_base_that_is_redirected_are_where_its_links_lead() -> None:
    moved = Answer(302, headers={"Location": "/releases/v2/"})
    pages: dict[str, str | bytes | Answer] = {
        "/latest/": moved,
        "/latest/a.csv": Answer(404),
        "/releases/v2/": index("a.csv", "/releases/v2/b.csv", "sub/", "caf%E9/"),
        "/releases/v2/sub/": index("c.csv"),
        "/releases/v2/caf%E9/": index("d%E9.csv"),
    }
    with serving(pages) as server:
        files = access(f"{server.url}/latest/")
        found = {listed.uri: listed.size for listed in files.files("")}
        assert sorted(found) == ["a.csv", "b.csv", "caf%E9/d%E9.csv", "sub/c.csv"]
        assert uris_of(files.files("sub/c")) == ["sub/c.csv"]
        for uri in found:
            content = files.open(uri)
            assert content.read(1000).decode() == f"/releases/v2/{uri}"
            content.close()
        # and where they lead the next time
        pages["/latest/"] = index("e.csv")
        assert uris_of(files.files("")) == ["e.csv"]
        assert server.asked[-1].path == "/latest/e.csv"


def test_the_files_of_a_folder_that_is_redirected_are_where_its_links_lead() -> None:
    pages: dict[str, str | bytes | Answer] = {
        "/": index("caf%E9/", "sub/"),
        "/sub/": Answer(301, headers={"Location": "/mirror/sub/"}),
        "/mirror/sub/": index("a.csv", "deep/"),
        "/mirror/sub/deep/": index("b.csv"),
        "/caf%E9/": Answer(301, headers={"Location": "/mirror/caf%E9/"}),
        "/mirror/caf%E9/": index("c%E9.csv"),
    }
    with serving(pages) as server:
        files = access(server.url)
        for uri in ("caf%E9/c%E9.csv", "sub/a.csv", "sub/deep/b.csv"):
            assert uri in uris_of(files.files(""))
            content = files.open(uri)
            assert content.read(1000).decode() == f"/mirror/{uri}"
            content.close()


def test_private_headers_do_not_go_where_the_base_is_redirected_to() -> None:
    with serving({"/new/": index("a.csv", "sub/"), "/new/sub/": index("b.csv")}) as new:
        with serving({"/": Answer(307, headers={"Location": f"{new.url}/new/"})}) as old:
            files = access(f"{old.url}/", headers={"X-Api-Key": "topsecret-value", "User-Agent": "mine"})
            assert uris_of(files.files("")) == ["a.csv", "sub/b.csv"]
            files.open("a.csv").close()
            assert {asked.headers.get("x-api-key") for asked in old.asked} == {"topsecret-value"}
        assert len(new.asked) == 5
        for asked in new.asked:
            assert "topsecret-value" not in str(asked.headers)
            assert asked.headers["user-agent"] == "mine"


def test_pages_whose_files_are_all_missing_are_no_empty_listing() -> None:
    gone = Answer(404)
    with serving({"/": index("a.csv", "b.csv", "c.txt"), "/a.csv": gone, "/b.csv": gone}) as server:
        files = access(server.url)
        with pytest.raises(HttpError, match=r"list 'a\.csv' and 1 more, but nothing of that is there") as raised:
            list(files.files("", wanted=lambda uri: uri.endswith(".csv")))
        assert raised.value.failure.trouble is Trouble.CONFIG
        assert uris_of(files.files("")) == ["c.txt"]
    with serving({"/": index("sub/")}) as server, pytest.raises(HttpError, match="list 'sub', but nothing of that"):
        list(access(server.url).files(""))


@pytest.mark.parametrize("code", [404, 410])
def test_a_folder_that_is_not_there_is_left_out_as_a_file_is(code: int, caplog: pytest.LogCaptureFixture) -> None:
    with serving({"/": index("a.csv", "gone/"), "/gone/": Answer(code)}) as server:
        files = access(server.url)
        with caplog.at_level(logging.WARNING, "airbyte"):
            assert uris_of(files.files("")) == ["a.csv"]
        assert (
            f"the folder gone is listed by an index page, but is not there: the server answered {code}" in caplog.text
        )
        assert uris_of(files.files("gone/")) == []


@pytest.mark.parametrize("code", [401, 403])
def test_a_file_that_may_not_be_read_is_listed(code: int) -> None:
    with serving({"/": index("a.csv", "b.csv"), "/b.csv": Answer(code)}) as server:
        files = access(server.url)
        assert uris_of(files.files("")) == ["a.csv", "b.csv"]
        with pytest.raises(HttpError, match=f"answered {code}") as raised:
            files.open("b.csv")
        assert raised.value.failure.trouble is Trouble.CONFIG


def test_packed_pages() -> None:
    page = index(*(f"{number:04d}.csv" for number in range(1000))).encode()
    packed = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    with serving({"/": Answer(body=gzip.compress(page), headers=packed)}) as server:
        assert len(list(access(server.url).files(""))) == 1000
        assert server.asked[0].headers["accept-encoding"] == "gzip"
    other = {**packed, "Content-Encoding": "br"}
    with serving({"/": Answer(body=page, headers=other)}) as server, pytest.raises(HttpError, match="encoding br"):
        list(access(server.url).files(""))
    for broken in (gzip.compress(page)[:-500], gzip.compress(page)[:-8], page, b""):
        with serving({"/": Answer(body=broken, headers=packed)}) as server:
            with pytest.raises(HttpError, match=r"the index page .* broke off") as raised:
                list(access(server.url).files(""))
            assert raised.value.failure.trouble is Trouble.TEMPORARY


@pytest.mark.parametrize(
    ("base", "href"),
    [
        ("/data/", "sub/a.csv"),
        ("/data/", "./sub/a.csv"),
        ("/data/x.html", "sub/a.csv"),
        ("..", "sub/a.csv"),
        ("/", "data/sub/a.csv"),
        ("/", "/data/sub/a.csv"),
        ("//HOST/data/sub/", "a.csv"),
        ("", "a.csv"),
    ],
)
def test_links_from_another_folder(base: str, href: str) -> None:
    pages: dict[str, str | bytes | Answer] = {}
    with serving(pages) as server:
        base = base.replace("HOST", server.url.removeprefix("http://"))
        pages["/data/sub/"] = f"<base href='{base}'>" + index(href, "b.csv", title="Index of /data/sub")
        files = access(f"{server.url}/data/sub/")
        assert uris_of(files.files("")) == sorted(["a.csv", *(["b.csv"] if base.endswith("sub/") or not base else [])])
        assert server.methods("/data/sub/a.csv") == ["HEAD"]


@pytest.mark.parametrize("base", ["/other/", "http://other.example/data/", "/data/sub/"])
def test_links_from_a_folder_that_does_not_hold_the_page(base: str) -> None:
    with serving({"/data/": f"<base href='{base}'>" + index("a.csv")}) as server:
        with pytest.raises(HttpError, match="says by its <base>") as raised:
            list(access(f"{server.url}/data/").files(""))
        assert raised.value.failure.trouble is Trouble.CONFIG


def test_links_with_a_query_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    links = ["a.csv", "a.csv?download=1", "b.csv?download=1", "sub/?page=2", "?C=N;O=D", "./?sort=size", "/x?y=1"]
    with serving({"/": index(*links)}) as server, caplog.at_level(logging.WARNING, "airbyte"):
        assert uris_of(access(f"{server.url}/").files("")) == ["a.csv"]
    assert "3 links of its index pages have a query and are left out" in caplog.text
    assert len(caplog.records) == 1


def test_charsets() -> None:
    for page, headers in [
        (index("é.csv").encode("latin1"), {"Content-Type": "text/html;charset=ISO-8859-1"}),
        (index("é.csv").encode(), {"Content-Type": "text/html"}),
        (b"<meta charset='latin1'>" + index("é.csv").encode("latin1"), {"Content-Type": "text/html"}),
        (index("é.csv").encode(), {"Content-Type": "text/html; charset=nonsense"}),
    ]:
        with serving({"/": Answer(body=page, headers=headers)}) as server:
            assert [listed.uri for listed in access(server.url).files("")] == ["é.csv"]
            assert server.asked[-1].path == "/%C3%A9.csv"


def test_nginx(nginx: Nginx) -> None:
    names = ["a.csv", "sp ace.csv", "h#ash.csv", "pl+us.csv", "q?m.csv", "pc%25.csv", "am&amp;.csv", "<lt>.csv"]
    names += ["ünï.csv", "qu\"o'te.csv", "back\\slash.csv", "C=M;O=A", "x" * 200, "dir/b.csv", "dir/deep er/c#.csv"]
    names += ["trailing ", "100%.csv", "new\nline.csv", "col:on.csv", "dir/empty.csv"]
    for name in names:
        nginx.put("odd", name, b"" if "empty" in name else name.encode())
    files = access(nginx.provider("odd")["base_url"])
    found = {listed.uri: listed for listed in files.files("")}
    assert sorted(found) == sorted(names)
    for uri, listed in found.items():
        content = files.open(uri, version=listed.version)
        data = content.read(1000)
        content.close()
        assert data == (b"" if "empty" in uri else uri.encode())
        assert listed.size == len(data) == content.size
        assert files.info(uri) == listed


def uris_of(found: Iterator[Listed]) -> list[str]:
    return sorted(listed.uri for listed in found)


def test_prefixes_and_folders(nginx: Nginx) -> None:
    names = ["a.csv", "dir/b.csv", "dir/bb.csv", "dir/deep/c.csv", "dirt/d.csv", "other/e.csv"]
    for name in names:
        nginx.put("prefixes", name, b"x")
    files = access(nginx.provider("prefixes")["base_url"])
    assert uris_of(files.files("dir")) == ["dir/b.csv", "dir/bb.csv", "dir/deep/c.csv", "dirt/d.csv"]
    assert uris_of(files.files("dir/")) == ["dir/b.csv", "dir/bb.csv", "dir/deep/c.csv"]
    assert uris_of(files.files("dir/b")) == ["dir/b.csv", "dir/bb.csv"]
    assert uris_of(files.files("dir/", recursive=False)) == ["dir/b.csv", "dir/bb.csv"]
    assert uris_of(files.files("", recursive=False)) == ["a.csv"]
    assert uris_of(files.files("a.csv")) == ["a.csv"]
    for nothing in ("gone/", "gone/deep/x", "/", "//", "../", "a.csv/x", "dir//", "./a.csv"):
        assert uris_of(files.files(nothing)) == []
    with pytest.raises(HttpError, match="check base_url"):
        list(access(nginx.url + "/no-such-folder").files("gone/"))
    entered: list[str] = []
    found = files.files("", enter=lambda folder: not entered.append(folder) and folder == "dir")  # type: ignore[func-returns-value]  # it is None
    assert uris_of(found) == ["a.csv", "dir/b.csv", "dir/bb.csv"]
    assert sorted(entered) == ["dir", "dir/deep", "dirt", "other"]


def test_in_parallel_takes_items_as_results_are_taken() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(4) as pool:
        results = in_parallel(lambda number: number * 2, numbers(), pool, ahead=8)
        assert [next(results) for _ in range(10)] == [number * 2 for number in range(10)]
        assert len(taken) <= 20
        with pytest.raises(ZeroDivisionError):
            list(in_parallel(lambda number: 1 // (5 - number), range(100), pool))


def test_python_own_server(tmp_path: Path) -> None:
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "q?#%25 ü.csv").write_bytes(b"0123456789")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            files = access(f"http://127.0.0.1:{server.server_port}/")
            (listed,) = files.files("")
            assert (listed.uri, listed.size) == ("sub/q?#%25 ü.csv", 10)
            assert listed.version is not None
            assert listed.version.endswith(" GMT; 10")
            # it ignores ranges: what was not asked for is left out
            content = files.open(listed.uri, 4, listed.version)
            assert content.read(100) == b"456789"
            assert content.read(100) == b""
            content.close()
            ranges = [(8, 10), (0, 2), (2, 2), (4, 6), (1, 3), (9, 20)]
            assert files.ranges(listed.uri, ranges, listed.version) == [b"89", b"01", b"", b"45", b"12", b"9"]
        finally:
            server.shutdown()
            thread.join()

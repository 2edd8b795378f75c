import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import pytest

from airbyte_cdk.sources.file_based.access.storage_access import Trouble
from airbyte_cdk.sources.file_based.storages.s3 import S3Options, connect
from servers.fault_proxy import FaultProxy, close_body, reset, reset_body, status
from servers.web import Answer, WebServer

KEY = {"auth_type": "iam_user", "aws_access_key_id": "AKIDOFAWS", "aws_secret_access_key": "secret-of-a-user"}
TEMPORARY_KEY = {**KEY, "aws_session_token": "token-of-a-session"}
ROLE = {"auth_type": "iam_role", "role_arn": "arn:aws:iam::123456789012:role/reader", "external_id": "abc"}
MACHINE = {"auth_type": "default_credentials"}
ANONYMOUS = {"auth_type": "anonymous"}


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def access_of(provider):
    return connect(S3Options(**provider))[0].storage_access("")


def listing(access):
    return list(access.files(""))


def reading(access):
    content = access.open("a")
    parts = iter(lambda: content.read(1 << 20), b"")
    try:
        return b"".join(parts)
    finally:
        content.close()


def failure_of(access, call):
    """What the access says about the error of a call; no text may hold a secret."""
    try:
        call(access)
    except Exception as error:
        failure = access.failure(error, "a" if call is not listing else None)
    else:
        pytest.fail("no error")
    for secret in ("secret-of-a-user", "token-of-a-session", "weed-admin-secret", "AKIDOFAWS"):
        assert secret not in failure.reason
    return failure


@pytest.mark.parametrize(
    ("overrides", "trouble", "reason"),
    [
        ({"bucket": "no-such-bucket"}, Trouble.CONFIG, "bucket no-such-bucket does not exist.*`bucket`"),
        ({"bucket": "No Bucket!"}, Trouble.CONFIG, "is not a valid bucket name.*`bucket`"),
        ({"credentials": KEY}, Trouble.CONFIG, "does not know the access key.*`aws_access_key_id`"),
        ({"credentials": ANONYMOUS}, Trouble.CONFIG, "denied.*not public.*s3:ListBucket.*`credentials`"),
        ({"credentials": MACHINE}, Trouble.CONFIG, "this machine has no AWS credentials.*`credentials`"),
        ({"region_name": "eu central"}, Trouble.CONFIG, "`region_name` is not the name of a region"),
        (
            {"endpoint": "http://no-such-host.invalid"},
            Trouble.TEMPORARY,
            "no-such-host.invalid cannot be resolved.*`endp",
        ),
        ({"endpoint": "http://127.0.0.1:9"}, Trouble.TEMPORARY, "127.0.0.1:9 refuses connections.*`endpoint`"),
    ],
)
def test_options_that_are_wrong(seaweed, overrides, trouble, reason):
    failure = failure_of(access_of(seaweed.provider("s3-failures", **overrides)), listing)

    assert failure.trouble is trouble
    assert re.search(reason, failure.reason)


def test_a_wrong_secret(seaweed):
    wrong = {"auth_type": "iam_user", "aws_access_key_id": seaweed.key, "aws_secret_access_key": "secret-of-a-user"}
    access = access_of(seaweed.provider("s3-failures", credentials=wrong))

    for call in (listing, reading):
        failure = failure_of(access, call)
        assert failure.trouble is Trouble.CONFIG
        assert "`aws_secret_access_key`" in failure.reason


def test_rights_that_are_missing(seaweed):
    key, secret = seaweed.reader
    seaweed.put("s3-failures", "a", b"x")
    reader = {"auth_type": "iam_user", "aws_access_key_id": key, "aws_secret_access_key": secret}
    for credentials in (reader, ANONYMOUS):
        access = access_of(seaweed.provider("s3-failures", credentials=credentials))
        for call, right in (
            (listing, "s3:ListBucket"),
            (reading, "s3:GetObject"),
            (lambda access: access.info("a"), "s3:GetObject"),
            (lambda access: access.ranges("a", [(0, 1)]), "s3:GetObject"),
        ):
            failure = failure_of(access, call)
            assert failure.trouble is Trouble.CONFIG
            assert right in failure.reason
            assert "`requester_pays`" in failure.reason


def test_an_endpoint_that_does_not_speak_https(seaweed):
    endpoint = seaweed.url.replace("http://", "https://")
    failure = failure_of(access_of(seaweed.provider("s3-failures", endpoint=endpoint)), listing)

    assert failure.trouble is Trouble.CONFIG
    assert "write http:// in `endpoint`" in failure.reason


def test_an_endpoint_that_is_no_s3(nginx):
    provider = {"storage": "s3", "bucket": "some-bucket", "endpoint": nginx.url, "credentials": KEY}
    failure = failure_of(access_of(provider), listing)

    assert failure.trouble is Trouble.CONFIG


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(503), "503"),
        (status(500), "500"),
        (status(429), "429"),
        (reset(), "connection"),
        (reset_body(100), "connection"),
        (close_body(100), "connection|early"),
    ],
)
@pytest.mark.parametrize("call", [listing, reading, lambda access: access.ranges("a", [(0, 200_000)])])
def test_faults_of_the_network_pass_and_are_tried_once(moto, fault, reason, call):
    moto.put("s3-faults", "a", b"0123456789" * 20_000)
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda _: True, fault)
        access = access_of(moto.provider("s3-faults", endpoint=proxy.url))
        failure = failure_of(access, call)

        assert failure.trouble is Trouble.TEMPORARY
        assert re.search(reason, failure.reason)
        assert len(proxy.log) == 1
        assert call(access)  # the next attempt


def test_the_storage_may_say_how_long_to_wait(moto):
    moto.put("s3-faults", "a", b"x")
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda _: True, status(503, retry_after=7))
        assert failure_of(access_of(moto.provider("s3-faults", endpoint=proxy.url)), listing).retry_after == 7


class Aws(ThreadingHTTPServer):
    """Answers as AWS is documented to, where no server that runs here does: in other regions, at wrong times.

    Attributes:
        answer: Of a request, the status, error code, further elements of the error and headers; None lists no object.
        seen: Method, path and ``Authorization`` of each request.
    """

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.seen = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _respond(self):
        server = self.server
        server.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        found = server.answer(self)
        code, error, elements, headers = found or (200, "", "", {})
        body = (
            error
            if error.startswith("<")
            else f"<Error><Code>{error}</Code><Message>As documented.</Message>{elements}</Error>"
        )
        if found is None:
            body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        if "AssumeRole" in error or length:
            body = f"<ErrorResponse>{body}</ErrorResponse>"
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_HEAD = do_POST = _respond

    def log_message(self, *_):
        pass


@contextmanager
def aws(answer, **options) -> Iterator:
    with Aws(answer) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield access_of({"bucket": "some-bucket", "endpoint": endpoint, "credentials": KEY, **options}), server
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("answer", "options", "trouble", "reason"),
    [
        ((400, "ExpiredToken"), {"credentials": TEMPORARY_KEY}, Trouble.CONFIG, "expired.*`aws_session_token`"),
        ((400, "InvalidToken"), {"credentials": TEMPORARY_KEY}, Trouble.CONFIG, "`aws_session_token`"),
        ((403, "RequestTimeTooSkewed"), {}, Trouble.CONFIG, "clock of this machine"),
        ((403, "InvalidObjectState"), {}, Trouble.CONFIG, "archived"),
        ((403, "AccessDenied"), {"requester_pays": True}, Trouble.CONFIG, "permission s3:GetObject on the object$"),
        ((400, "RequestTimeout"), {}, Trouble.TEMPORARY, "RequestTimeout"),
        ((409, "OperationAborted"), {}, Trouble.TEMPORARY, "OperationAborted"),
        ((503, "SlowDown"), {}, Trouble.TEMPORARY, "SlowDown"),
        ((404, "NoSuchBucket"), {}, Trouble.CONFIG, "`bucket`"),
        ((404, "NoSuchKey"), {}, Trouble.MISSING, "no such object"),
        ((405, "MethodNotAllowed"), {}, Trouble.CONFIG, "`endpoint`"),
        ((501, "NotImplemented"), {}, Trouble.CONFIG, "`endpoint`"),
        ((400, "KMS.DisabledException"), {}, Trouble.CONFIG, r"KMS key .* \(KMS.DisabledException\): enable it"),
        ((400, "KMS.ThrottlingException"), {}, Trouble.TEMPORARY, "encryption keys is busy"),
        ((301, "PermanentRedirect"), {}, Trouble.CONFIG, "`region_name`, `endpoint`"),
        ((400, "SomethingNew"), {}, Trouble.OTHER, "400 SomethingNew: As documented."),
    ],
)
def test_answers_of_aws(answer, options, trouble, reason):
    with aws(lambda _: (*answer, "", {}), **options) as (access, _):
        failure = failure_of(access, reading)

    assert failure.trouble is trouble
    assert re.search(reason, failure.reason)


DENIED = "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: {} on resource: {} because {}"
SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve "
    "the object."
)


@pytest.mark.parametrize(
    ("answer", "text", "reason"),
    [
        (
            (403, "AccessDenied"),
            DENIED.format("kms:Decrypt", "arn:aws:kms:eu:1:key/x", "no identity-based policy allows the kms:Decrypt"),
            "access is denied: the identity of the option `credentials` needs the permission kms:Decrypt",
        ),
        (
            (403, "AccessDenied"),
            DENIED.format("s3:GetObject", "arn:aws:s3:::b/a", "no identity-based policy allows it"),
            "access is denied: the identity of the option `credentials` needs the permission s3:GetObject on the "
            "object, or the bucket wants the option `requester_pays`",
        ),
        (
            (403, "AccessDenied"),
            DENIED.format("s3:GetObjectVersion", "arn:aws:s3:::b/a", "of an explicit deny in a resource-based policy"),
            "access is denied: a policy has an explicit deny of s3:GetObjectVersion for the identity of `credentials`",
        ),
        (
            (403, "AccessDenied"),
            "User: x is not authorized to perform: <b>anything</b>",
            "access is denied: the identity of the option `credentials` needs the permission s3:GetObject on the "
            "object, or the bucket wants the option `requester_pays`",
        ),
        (
            (400, "InvalidRequest"),
            SSE_C,
            "the object is encrypted with a key of the customer (SSE-C), which is not stored with it and cannot be "
            "given here: leave the object out of the globs",
        ),
    ],
)
def test_what_aws_says_for_people_is_heard(answer, text, reason):
    body = f"<Error><Code>{answer[1]}</Code><Message>{escape(text)}</Message></Error>"
    with aws(lambda _: (answer[0], body, "", {})) as (access, _):
        failure = failure_of(access, reading)

    assert (failure.trouble, failure.reason) == (Trouble.CONFIG, reason)


def test_a_body_that_comes_in_chunks_has_no_size():
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    for sent in (chunks, chunks[:-12]):
        answer = Answer(headers={"Transfer-Encoding": "chunked", "ETag": "x"}, body=sent)
        with WebServer(lambda _, answer=answer: answer) as server:
            access = access_of({"bucket": "some-bucket", "endpoint": server.url, "credentials": KEY})
            if sent == chunks:
                content = access.open("a")
                content.close()
                assert (content.size, reading(access)) == (None, b"hello world")
            else:
                assert failure_of(access, reading).trouble is Trouble.TEMPORARY


def test_a_success_without_a_body_is_no_listing():
    with WebServer(lambda _: Answer(204)) as server:
        access = access_of({"bucket": "some-bucket", "endpoint": server.url, "credentials": KEY})
        failure = failure_of(access, listing)

    assert failure.trouble is Trouble.CONFIG
    assert "does not answer a listing as S3 does: correct the option `endpoint`" in failure.reason


def test_a_host_with_an_underscore(seaweed):
    """Services of Docker Compose have such names. Nobody resolves one here, but a proxy passes requests on."""
    seaweed.put("s3-underscore", "a", b"x")
    with FaultProxy(seaweed.port) as proxy, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HTTP_PROXY", proxy.url)
        access = access_of(seaweed.provider("s3-underscore", endpoint="http://my_minio:9000"))
        assert [file.uri for file in listing(access)] == ["a"]  # the signature is of the right host
        assert reading(access) == b"x"
        assert {urlsplit(passed.path).netloc for passed in proxy.log} == {"my_minio:9000"}
        given = {"endpoint": "http://my_minio", "addressing_style": "host"}
        access = access_of(seaweed.provider("s3-underscore", **given))
        failure_of(access, listing)  # the server knows no buckets in names of hosts
        assert urlsplit(proxy.log[-1].path).netloc == "s3-underscore.my_minio"


def test_an_endpoint_of_the_environment_that_is_none(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    access = access_of({"bucket": "some-bucket", "credentials": KEY})
    failure = failure_of(access, listing)

    assert failure.trouble is Trouble.CONFIG
    assert failure.reason == "the environment's AWS_ENDPOINT_URL is not the address of a server"


def test_a_bucket_in_another_region_is_found_there():
    def answer(request):
        if "/eu-central-1/s3/" in request.headers["Authorization"]:
            return None
        return 400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>", {}

    with aws(answer, region_name="us-east-1") as (access, server):
        assert listing(access) == []
        assert listing(access) == []
        assert len(server.seen) == 3  # the second listing knows the region


def test_a_bucket_that_stays_in_another_region_is_told():
    with aws(lambda _: (301, "PermanentRedirect", "", {"x-amz-bucket-region": "eu-west-3"})) as (access, _):
        failure = failure_of(access, listing)

    assert failure.trouble is Trouble.CONFIG
    assert failure.reason == "the bucket is in region eu-west-3: set the option `region_name` to it"


def test_a_web_server_that_redirects_is_told():
    location = {"Location": "https://other.example.com:8443/some-bucket?list-type=2"}
    with aws(lambda _: (301, "", "", location)) as (access, server):
        failure = failure_of(access, listing)
        assert len(server.seen) == 1

    assert failure.trouble is Trouble.CONFIG
    assert "at https://other.example.com:8443: correct" in failure.reason


def test_keys_of_a_role_that_the_storage_takes_for_expired_are_fetched_again(moto, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    keys = []

    def answer(request):
        keys.append(re.search("Credential=([^/]+)", request.headers["Authorization"])[1])
        return (400, "ExpiredToken", "", {}) if len(set(keys)) == 1 else None

    with aws(answer, credentials=ROLE) as (access, _):
        failure = failure_of(access, listing)
        assert failure.trouble is Trouble.TEMPORARY
        assert "is being renewed" in failure.reason
        assert listing(access) == []
        assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("answer", "trouble", "reason"),
    [
        ((403, "AccessDenied"), Trouble.CONFIG, "`role_arn` and `external_id`"),
        (
            (403, "InvalidClientTokenId"),
            Trouble.CONFIG,
            "credentials of this machine, which assume the role, are not valid",
        ),
        ((403, "ExpiredToken"), Trouble.CONFIG, "credentials of this machine, which assume the role, have expired"),
        ((400, "Throttling"), Trouble.TEMPORARY, "cannot be assumed now"),
        ((503, "ServiceUnavailable"), Trouble.TEMPORARY, "cannot be assumed now"),
    ],
)
def test_a_role_that_cannot_be_assumed(monkeypatch, answer, trouble, reason):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    with aws(lambda _: (*answer, "", {}), credentials=ROLE) as (access, server):
        failure = failure_of(access, listing)

        assert failure.trouble is trouble
        assert re.search(reason, failure.reason)
        assert [method for method, _, _ in server.seen] == ["POST"]


@pytest.mark.parametrize(("option", "value"), [("role_arn", "reader"), ("external_id", "a")])
def test_a_role_that_is_no_role(monkeypatch, option, value):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    with aws(lambda _: None, credentials={**ROLE, option: value}) as (access, _):
        failure = failure_of(access, listing)

    assert failure.trouble is Trouble.CONFIG
    assert f"`{option}`" in failure.reason


def test_a_profile_of_the_machine_that_is_missing(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with aws(lambda _: None, credentials=MACHINE) as (access, _):
        failure = failure_of(access, listing)

    assert failure.trouble is Trouble.CONFIG
    assert "credentials of this machine cannot be used" in failure.reason


def test_requester_pays_is_agreed_to():
    agreed = []

    def answer(request):
        agreed.append(request.headers.get("x-amz-request-payer"))
        return

    for option in (True, False):
        with aws(answer, requester_pays=option) as (access, _):
            listing(access)
            failure = failure_of(access, lambda access: access.info("a"))  # it lacks what an answer to HEAD holds
            assert failure.reason == "the server does not answer as S3 does: correct the option `endpoint`"
    assert agreed == ["requester", "requester", None, None]


class _Sent(Exception):
    """Instead of sending."""


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"endpoint": "http://stored.test"}, "http://stored.test/some-bucket?"),
        ({"endpoint": "http://stored.test", "addressing_style": "path"}, "http://stored.test/some-bucket?"),
        ({"endpoint": "http://stored.test", "addressing_style": "host"}, "http://some-bucket.stored.test/?"),
        ({"endpoint": "https://stored.test/below"}, "https://stored.test/below/some-bucket?"),
        ({}, "https://some-bucket.s3.eu-west-3.amazonaws.com/?"),
        ({"addressing_style": "path"}, "https://s3.eu-west-3.amazonaws.com/some-bucket?"),
        ({"bucket": "some.bucket"}, "https://s3.eu-west-3.amazonaws.com/some.bucket?"),
    ],
)
def test_where_the_bucket_is_asked_for(options, url):
    access = access_of({"bucket": "some-bucket", "region_name": "eu-west-3", "credentials": KEY, **options})

    def send(request, **_):
        raise _Sent(request.url)

    access._connected().meta.events.register("before-send.s3.*", send)
    with pytest.raises(_Sent) as sent:
        listing(access)
    assert str(sent.value).startswith(url)

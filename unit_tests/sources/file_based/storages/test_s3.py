import pytest
from pydantic.v1 import BaseModel, Field, ValidationError

from airbyte_cdk.sources.file_based.config.json_schema import dereferenced
from airbyte_cdk.sources.file_based.storages.local import LocalOptions
from airbyte_cdk.sources.file_based.storages.s3 import S3Options, connect
from airbyte_cdk.utils.airbyte_secrets_utils import get_secret_paths

KEY = {"auth_type": "iam_user", "aws_access_key_id": "k", "aws_secret_access_key": "s"}


def options(**given):
    return S3Options(**{"bucket": "landing", "credentials": KEY, **given})


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("minio.example.com:9000", "https://minio.example.com:9000"),
        ("127.0.0.1:9000", "https://127.0.0.1:9000"),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("https://0123abc.r2.cloudflarestorage.com/landing", "https://0123abc.r2.cloudflarestorage.com"),
        ("https://example.com/storage/v1/s3/", "https://example.com/storage/v1/s3"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_endpoints_are_understood_as_people_write_them(written, url):
    assert options(endpoint=written).endpoint == url


@pytest.mark.parametrize("written", ["s3://landing", "https://:9000", "https://key:secret@host", "https://host/?a=b"])
def test_other_endpoints_are_refused_without_being_repeated(written):
    with pytest.raises(ValidationError, match="write it as https://host") as refused:
        options(endpoint=written)
    assert written not in str(refused.value)


@pytest.mark.parametrize("bucket", ["s3://landing", "landing/2026", ""])
def test_a_bucket_is_only_a_name(bucket):
    with pytest.raises(ValidationError, match="bucket"):
        options(bucket=bucket)


def test_the_bucket_may_be_an_access_point():
    arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/readers"
    assert options(bucket=arn).bucket == arn


def test_the_form_offers_four_kinds_of_credentials_and_hides_the_secrets():
    class Spec(BaseModel):
        provider: LocalOptions | S3Options = Field(discriminator="storage")

    schema = dereferenced(Spec.schema())
    provider = schema["properties"]["provider"]["oneOf"][1]
    kinds = provider["properties"]["credentials"]["oneOf"]

    assert [kind["properties"]["auth_type"]["const"] for kind in kinds] == [
        "iam_user",
        "iam_role",
        "default_credentials",
        "anonymous",
    ]
    assert all(kind["title"] and kind["description"] and "auth_type" in kind["required"] for kind in kinds)
    assert set(provider["required"]) == {"storage", "bucket", "credentials"}
    assert [path[-1] for path in get_secret_paths(schema)] == [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    ]
    for form in (provider, *kinds):
        fields = {name: field for name, field in form["properties"].items() if "const" not in field}
        assert all(field["title"] and field["description"] for field in fields.values())
        assert [field["order"] for field in fields.values()] == list(range(1, len(fields) + 1))


def test_connecting_sends_nothing_and_gives_the_filesystem_of_the_bucket():
    filesystem, root = connect(options(endpoint="http://127.0.0.1:1"))

    assert root == ""
    assert filesystem.storage_access(root).title == "S3 bucket landing"

"""Amazon S3, and the many storages that speak its protocol."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.sources.file_based.storages.endpoint import checked_endpoint
from airbyte_cdk.sources.file_based.storages.texts import stripped, word
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem


_BUCKET = re.compile(r"[^/?#&=]+|arn:[^?#&=]+")
"""Not a URL, whose query may hold a signature. Which names there are S3 itself says."""


class S3IamUser(BaseModel):
    """The access key of a user."""

    class Config(OneOfOptionConfig):
        title = "Access Key"
        description = "The access key of an IAM user, or of a user of another storage that speaks S3."
        discriminator = "auth_type"

    auth_type: Literal["iam_user"] = Field("iam_user", const=True)
    aws_access_key_id: str = Field(
        title="Access Key ID", description="The public half of the access key.", airbyte_secret=True, order=1
    )
    aws_secret_access_key: str = Field(
        title="Secret Access Key", description="The secret half of the access key.", airbyte_secret=True, order=2
    )
    aws_session_token: str | None = Field(
        None,
        title="Session Token",
        description="Only for temporary access keys, which are issued with one. Such keys stop working after hours.",
        airbyte_secret=True,
        order=3,
    )

    _words = validator("aws_access_key_id", "aws_session_token", pre=True, allow_reuse=True)(word)
    _secret = validator("aws_secret_access_key", pre=True, allow_reuse=True)(stripped)


class S3IamRole(BaseModel):
    """A role that is assumed, and assumed again before its keys expire."""

    class Config(OneOfOptionConfig):
        title = "IAM Role"
        description = (
            "A role that the connector assumes with the credentials of the machine it runs on, as often as needed."
        )
        discriminator = "auth_type"

    auth_type: Literal["iam_role"] = Field("iam_role", const=True)
    role_arn: str = Field(
        title="Role ARN",
        description="The role to assume. Its trust policy must allow it to the identity of the connector's machine.",
        examples=["arn:aws:iam::123456789012:role/reader"],
        order=1,
    )
    external_id: str | None = Field(
        None,
        title="External ID",
        description="The external ID that the role's trust policy asks for, if it asks for one.",
        order=2,
    )

    _texts = validator("role_arn", "external_id", pre=True, allow_reuse=True)(stripped)


class S3DefaultCredentials(BaseModel):
    """Whatever credentials the machine has."""

    class Config(OneOfOptionConfig):
        title = "Credentials of the Machine"
        description = (
            "The credentials that AWS programs find by themselves: environment variables, the shared credentials "
            "file, web identity, the role of the container or of the machine."
        )
        discriminator = "auth_type"

    auth_type: Literal["default_credentials"] = Field("default_credentials", const=True)


class S3Anonymous(BaseModel):
    """Requests are not signed."""

    class Config(OneOfOptionConfig):
        title = "Anonymous"
        description = "No credentials, for buckets that anybody may list and read."
        discriminator = "auth_type"

    auth_type: Literal["anonymous"] = Field("anonymous", const=True)


class S3Options(BaseModel):
    """Options of the storage `s3`."""

    class Config(OneOfOptionConfig):
        title = "S3"
        description = "A bucket of Amazon S3, or of a storage that speaks its protocol (MinIO, Cloudflare R2, Ceph)."
        discriminator = "storage"

    storage: Literal["s3"] = Field("s3", const=True)
    bucket: str = Field(
        title="Bucket",
        description="Name of the bucket, without s3:// and without a folder.",
        examples=["landing"],
        min_length=1,
        order=1,
    )
    credentials: S3IamUser | S3IamRole | S3DefaultCredentials | S3Anonymous = Field(
        title="Credentials",
        description="How the connector proves who it is.",
        discriminator="auth_type",
        type="object",
        order=2,
    )
    prefix: str = Field(
        "",
        title="Prefix",
        description=(
            "Only objects whose key begins with this text are listed, which is quicker in a bucket that holds much "
            "else. The globs of the streams still match the whole key, with this text at its start."
        ),
        examples=["exports/2026/"],
        order=3,
    )
    region_name: str | None = Field(
        None,
        title="Region",
        description=(
            "Region of the bucket. If empty, the one that the machine is set up for, or us-east-1; AWS redirects from "
            "there. Other storages than AWS seldom need it."
        ),
        examples=["eu-central-1"],
        order=4,
    )
    endpoint: str | None = Field(
        None,
        title="Endpoint",
        description=(
            "Where a storage other than AWS answers, with its port if that is not the usual one. https unless it "
            "begins with http://. Leave it empty for AWS."
        ),
        examples=["https://minio.example.com:9000", "http://127.0.0.1:9000", "0123abc.r2.cloudflarestorage.com"],
        order=5,
    )
    addressing_style: Literal["auto", "path", "host"] = Field(
        "auto",
        title="Addressing Style",
        description=(
            "path: https://endpoint/bucket/key. host: https://bucket.endpoint/key. auto: host for AWS, path for any "
            "other endpoint."
        ),
        order=6,
    )
    requester_pays: bool = Field(
        False,
        title="Requester Pays",
        description="Agree to pay for requests and transfer, which AWS demands for buckets of the kind Requester Pays.",
        order=7,
    )

    @validator("bucket")
    def _bucket_is_only_a_name(cls, bucket: str) -> str:
        bucket = stripped(bucket)
        if not _BUCKET.fullmatch(bucket):
            raise ValueError("write only the bucket's name, without s3:// or a folder; a folder goes to `prefix`")
        return bucket

    @validator("region_name", pre=True)
    def _empty_is_none(cls, text: Any) -> Any:
        return (text.strip() or None) if isinstance(text, str) else text

    @validator("endpoint")
    def _endpoint_is_an_address(cls, endpoint: str | None, values: dict[str, Any]) -> str | None:
        url = checked_endpoint(endpoint)
        bucket = f"/{values.get('bucket')}"
        # consoles show a bucket's address with its name at the end
        return url.removesuffix(bucket) if url and urlsplit(url).path == bucket else url


def connect(options: S3Options) -> tuple[AccessFileSystem, str]:
    """The bucket as a filesystem.

    Raises:
        ModuleNotFoundError: botocore is not installed.
        AirbyteTracedException: a config_error if the options cannot be used. Whether bucket and credentials are
            right is known from the first request on.
    """
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.s3_access import S3Access

    return AccessFileSystem(S3Access(options)), ""

"""One measurement of one engine on one bucket; prints it as JSON. Run by the Python that has the engine.

    python storage_engines.py ENGINE list ENDPOINT BUCKET GLOB
    python storage_engines.py ENGINE read|ranges ENDPOINT BUCKET KEY

Seconds are those of the work, without imports; `peak` is that of the whole process, in MB.
"""

import json
import logging
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

KEY, SECRET = "AKIDBENCH", "secret-of-the-benchmark"
CHUNK = 1 << 20
RANGES = 64
THREADS = 8


def ranges_of(size):
    """Bytes of the ranges: 1 MB each, evenly over the object, like the column chunks of a Parquet file."""
    step = size // RANGES
    return [(at * step, at * step + CHUNK) for at in range(RANGES)]


class Ours:
    """This library, as a source uses it."""

    def __init__(self, endpoint, bucket):
        from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
        from airbyte_cdk.sources.file_based.storages.s3 import S3Options, connect
        from airbyte_cdk.sources.file_based.storages.s3_access import S3Access  # noqa: F401  loads botocore

        credentials = {"auth_type": "iam_user", "aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        filesystem, root = connect(S3Options(bucket=bucket, endpoint=endpoint, credentials=credentials))
        self.access = filesystem.storage_access(root)
        self.reader = FsspecStreamReader(filesystem, root)

    def list(self, glob):
        return sum(1 for _ in self.reader.get_matching_files([glob], None, logging.getLogger("bench")))

    def read(self, key):
        content = self.access.open(key)
        return sum(map(len, iter(lambda: content.read(CHUNK), b"")))

    def ranges(self, key):
        size = self.access.info(key).size
        return sum(map(len, self.access.ranges(key, ranges_of(size))))


class OursListing(Ours):
    """Only the storage's part of a listing: no globs, no files for the framework."""

    def list(self, glob):
        return sum(1 for _ in self.access.files(""))


class Obstore:
    """The Rust crate object_store, from Python."""

    def __init__(self, endpoint, bucket):
        import obstore
        from obstore.store import S3Store

        self.obstore = obstore
        self.store = S3Store(
            bucket,
            endpoint=endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def list(self, glob):
        return sum(len(batch) for batch in self.obstore.list(self.store, chunk_size=1000))

    def read(self, key):
        return sum(map(len, self.obstore.get(self.store, key).stream(min_chunk_size=CHUNK)))

    def ranges(self, key):
        starts, ends = zip(*ranges_of(self.obstore.head(self.store, key)["size"]), strict=True)
        return sum(map(len, self.obstore.get_ranges(self.store, key, starts=starts, ends=ends)))


class ObstoreArrow(Obstore):
    """The same, with the listing as Arrow batches: no Python object for any file."""

    def list(self, glob):
        return sum(batch.num_rows for batch in self.obstore.list(self.store, chunk_size=1000, return_arrow=True))


class S3fs:
    """s3fs, which the published connectors and most of fsspec's users have."""

    def __init__(self, endpoint, bucket):
        import s3fs

        self.bucket = bucket
        self.filesystem = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=endpoint)

    def list(self, glob):
        return len(self.filesystem.find(self.bucket, detail=True))

    def read(self, key):
        with self.filesystem.open(f"{self.bucket}/{key}", "rb") as file:
            return sum(map(len, iter(lambda: file.read(CHUNK), b"")))

    def ranges(self, key):
        path = f"{self.bucket}/{key}"
        starts, ends = zip(*ranges_of(self.filesystem.size(path)), strict=True)
        return sum(map(len, self.filesystem.cat_ranges([path] * len(starts), list(starts), list(ends))))


class PyarrowFs:
    """pyarrow's own filesystem, over the AWS SDK for C++."""

    def __init__(self, endpoint, bucket):
        from pyarrow.fs import S3FileSystem

        self.bucket = bucket
        self.filesystem = S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            region="us-east-1",
            scheme="http",
            endpoint_override=endpoint.removeprefix("http://"),
        )

    def list(self, glob):
        from pyarrow.fs import FileSelector, FileType

        found = self.filesystem.get_file_info(FileSelector(self.bucket, recursive=True))
        return sum(info.type == FileType.File for info in found)

    def read(self, key):
        with self.filesystem.open_input_stream(f"{self.bucket}/{key}") as stream:
            return sum(map(len, iter(lambda: stream.read(CHUNK), b"")))

    def ranges(self, key):
        with (
            self.filesystem.open_input_file(f"{self.bucket}/{key}") as file,
            ThreadPoolExecutor(THREADS) as threads,
        ):
            parts = threads.map(lambda part: file.read_at(part[1] - part[0], part[0]), ranges_of(file.size()))
            return sum(map(len, parts))


ENGINES = {
    "ours": Ours,
    "ours-listing": OursListing,
    "obstore": Obstore,
    "obstore-arrow": ObstoreArrow,
    "s3fs": S3fs,
    "pyarrow": PyarrowFs,
}


def main():
    engine, work, endpoint, bucket, what = sys.argv[1:]
    connected = ENGINES[engine](endpoint, bucket)
    started, cpu = time.perf_counter(), time.process_time()
    count = getattr(connected, work)(what)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"count": count, "seconds": seconds, "cpu": cpu, "peak": peak}))


if __name__ == "__main__":
    main()

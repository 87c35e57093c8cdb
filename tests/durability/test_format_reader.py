"""format_reader.py, which was written from FORMAT.md alone, agrees with the node about what is stored, and notices damage.

The node answers from its index, the reader from the log: where they agree, both are right and the document is complete.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).parents[2]
BINARY = os.environ.get("STRONGROOM_BIN", str(ROOT / "target" / "debug" / "strongroom"))
READER = ROOT / "tests" / "format_reader.py"
MIB = 1 << 20
KEYS = {"accessKey": "AKIDTESTROOT", "secretKey": "root-secret/Zq7+never-in-a-log"}
STATE = {"accounts": [{"name": "main", "accountId": "123456789012", "displayName": "Main", "email": "main@example.com", "root": KEYS}]}


class Node:
    """`strongroom serve` on a directory that outlives it."""

    def __init__(self, directory):
        self.data = directory / "data"
        state = directory / "state.json"
        state.write_text(json.dumps(STATE))
        command = [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--bootstrap", state]
        self.log = directory / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        assert line, f"the node is not ready: {self.log.read_text()}"
        self.s3 = boto3.client(
            "s3",
            endpoint_url=json.loads(line)["s3"],
            aws_access_key_id=KEYS["accessKey"],
            aws_secret_access_key=KEYS["secretKey"],
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, request_checksum_calculation="when_required"),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def end(self, by):
        self.process.send_signal(by)
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def listing(self):
        """All versions of all buckets, as the reader prints them."""
        found = []
        for bucket in self.s3.list_buckets()["Buckets"]:
            for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"]):
                for marker, entries in ((False, page.get("Versions", [])), (True, page.get("DeleteMarkers", []))):
                    for entry in entries:
                        found.append(
                            dict(
                                bucket=bucket["Name"],
                                key=entry["Key"],
                                version=entry["VersionId"],
                                latest=entry["IsLatest"],
                                marker=marker,
                                size=entry.get("Size", 0),
                                etag=entry.get("ETag", "").strip('"'),
                                second=int(entry["LastModified"].timestamp()),
                            )
                        )
        return in_order(found)


def in_order(versions):
    return sorted(versions, key=lambda v: json.dumps(v, sort_keys=True))


def read(data):
    """What the reader prints, in the listing's terms; its exit code; its complaints."""
    done = subprocess.run([sys.executable, "-B", READER, data], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    versions = [json.loads(line) for line in done.stdout.splitlines()]
    for version in versions:
        version["version"] = wire(version["version"])
        version["etag"] = "" if version["marker"] else version["md5"]
        version["second"] = version.pop("date") // 1000
        del version["md5"]
    return in_order(versions), done.returncode, done.stderr


def wire(version):
    return "null" if version is None else f"{version:032x}"


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def multipart(s3, bucket, key, seed, complete=True):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, size in ((1, 5 * MIB), (2, 5 * MIB + 17), (7, 33)):
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=noise(seed + number, size))
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    if complete:
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    return upload


def fill(s3):
    """Every kind of record that S3 can make."""
    for bucket in ("plain", "versioned", "going", "empty"):
        s3.create_bucket(Bucket=bucket)
    for n in range(60):
        size = (0, 10, 4096, 65536, 65537, 200_000, MIB, MIB + 1, 3 * MIB)[n % 9]
        s3.put_object(Bucket="plain", Key=f"dir {n % 5}/{n % 40}é", Body=noise(n, size), Metadata={"n": str(n)}, ContentType="a/b")
    for n in range(0, 40, 7):
        s3.delete_object(Bucket="plain", Key=f"dir {n % 5}/{n}é")
    multipart(s3, "plain", "in parts", 1000)
    multipart(s3, "plain", "unfinished", 1100, complete=False)
    s3.abort_multipart_upload(Bucket="plain", Key="aborted", UploadId=multipart(s3, "plain", "aborted", 1200, complete=False))
    s3.copy_object(Bucket="plain", Key="copy of parts", CopySource="plain/in parts")
    s3.copy_object(Bucket="versioned", Key="copy", CopySource="plain/dir 1/1é")
    s3.put_object_tagging(Bucket="plain", Key="in parts", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    multipart(s3, "plain", "replaced", 1300)
    s3.put_object(Bucket="plain", Key="replaced", Body=b"small")
    s3.put_object(Bucket="versioned", Key="was null", Body=b"null 1")
    s3.put_object(Bucket="versioned", Key="null deleted", Body=b"null 1")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    ids = []
    for n in range(5):
        ids.append(s3.put_object(Bucket="versioned", Key="was null", Body=noise(n, 2 * MIB * (n % 2)))["VersionId"])
        s3.put_object(Bucket="versioned", Key=f"v{n}", Body=noise(n, 100))
    s3.delete_object(Bucket="versioned", Key="v1")
    s3.delete_object(Bucket="versioned", Key="never was")
    marker = s3.delete_object(Bucket="versioned", Key="v2")["VersionId"]
    s3.delete_object(Bucket="versioned", Key="v2", VersionId=marker)
    s3.delete_object(Bucket="versioned", Key="was null", VersionId=ids[2])
    s3.delete_object(Bucket="versioned", Key="null deleted", VersionId="null")
    s3.put_object_tagging(Bucket="versioned", Key="was null", VersionId=ids[1], Tagging={"TagSet": [{"Key": "t", "Value": "u"}]})
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="versioned", Key="was null", Body=b"null 2")
    s3.put_object(Bucket="versioned", Key="v3", Body=b"null")
    s3.delete_object(Bucket="versioned", Key="v3")
    s3.delete_object(Bucket="versioned", Key="v4")
    s3.put_object(Bucket="going", Key="k", Body=b"old")
    s3.delete_object(Bucket="going", Key="k")
    s3.delete_bucket(Bucket="going")
    s3.create_bucket(Bucket="going")
    s3.put_object(Bucket="going", Key="other", Body=b"new")
    s3.create_bucket(Bucket="gone")
    s3.put_object(Bucket="gone", Key="k", Body=noise(5, 2 * MIB))
    s3.delete_object(Bucket="gone", Key="k")
    s3.delete_bucket(Bucket="gone")


def test_reader_reads_the_directory_of_the_first_format_that_was_kept():
    versions, code, complaints = read(ROOT / "tests" / "fixtures" / "format-1")
    # Its ETags are made up, so that is all that the reader may find wrong.
    assert code == 1 and all(line.endswith(": not the content that was stored") for line in complaints.splitlines())
    latest = sorted(version["key"] for version in versions if version["latest"] and not version["marker"])
    assert latest == sorted(["bulk", "last", "versioned", *(f"k{n:02}" for n in range(1, 19))])
    assert [version["key"] for version in versions if version["marker"]] == ["k00"]
    assert len([version for version in versions if version["key"] == "versioned"]) == 2


def test_reader_and_listing_agree_after_a_clean_end_a_kill_and_a_rebuild(tmp_path):
    with Node(tmp_path) as node:
        fill(node.s3)
        listed = node.listing()
        node.end(signal.SIGKILL)
    assert read(node.data) == (listed, 0, "")
    with Node(tmp_path) as node:
        assert node.listing() == listed
        node.s3.put_object(Bucket="empty", Key="after the kill", Body=b"1")
        listed = node.listing()
        node.end(signal.SIGTERM)
    assert read(node.data) == (listed, 0, "")
    (node.data / "index.redb").unlink()
    with Node(tmp_path) as node:
        assert node.listing() == listed
        node.end(signal.SIGTERM)
    assert read(node.data) == (listed, 0, "")


def test_reader_and_listing_agree_after_compaction(tmp_path):
    with Node(tmp_path) as node:
        fill(node.s3)
        first = node.data / "log" / f"{1:016x}.seg"
        deadline = time.monotonic() + 120
        # Objects that go in the log, some of which stay: what stays has to be copied before a segment is freed.
        for n in range(100_000):
            node.s3.put_object(Bucket="plain", Key=f"churned {n if n % 50 == 0 else n % 3}", Body=noise(n, 64) * 16000)
            if not first.exists():
                break
            assert time.monotonic() < deadline, f"nothing was freed: {sorted(os.listdir(node.data / 'log'))}"
        listed = node.listing()
        node.end(signal.SIGKILL)
    assert read(node.data) == (listed, 0, "")
    (node.data / "index.redb").unlink()
    with Node(tmp_path) as node:
        assert node.listing() == listed
        node.end(signal.SIGTERM)
    assert read(node.data) == (listed, 0, "")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stopped")
    with Node(directory) as node:
        for bucket in ("plain", "versioned"):
            node.s3.create_bucket(Bucket=bucket)
        for n, size in enumerate((0, 10, 70_000, 300_000, 2 * MIB, 3 * MIB + 5)):
            node.s3.put_object(Bucket="plain", Key=str(n), Body=noise(n, size))
        node.end(signal.SIGTERM)
    versions, code, complaints = read(node.data)
    assert (len(versions), code, complaints) == (6, 0, "")
    return node.data


@pytest.mark.parametrize("seed", range(24))
def test_reader_notices_a_flipped_bit_in_log_and_bulk(stopped, tmp_path, seed):
    chance = random.Random(seed)
    data = tmp_path / "data"
    shutil.copytree(stopped, data, ignore=shutil.ignore_patterns("admin.sock", "index.redb"))
    whole, _, _ = read(data)
    kind = ("log/*.seg", "bulk/*/*", "FORMAT")[seed % 3]
    path = chance.choice(sorted(data.glob(kind)))
    content = bytearray(path.read_bytes())
    # The zeros between the parts of FORMAT mean nothing; the last record's tail can't be told from a torn one, so the first half is hit.
    at = {"FORMAT": chance.choice((0, 4096)) + chance.randrange(60), "log": chance.randrange(len(content) // 2)}.get(kind.split("/")[0], chance.randrange(len(content)))
    content[at] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    versions, code, complaints = read(data)
    assert code == 1 and complaints, f"{path.name} {at}: not noticed"
    # What it still prints was there: nothing is made up.
    assert all(version in whole for version in versions) or kind == "log/*.seg"

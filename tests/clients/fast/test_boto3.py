"""boto3, over HTTP and TLS: over TLS its uploads are chunked with an unsigned trailer, over HTTP hashed."""

import base64
import datetime
import hashlib
import io
import os
import threading
import urllib.error
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError, SSLError
from boto3.s3.transfer import TransferConfig

MIB = 1 << 20


@pytest.fixture(params=["http", "tls", "tls-verified"])
def s3(request, node, tls_node):
    if request.param == "http":
        return node.client()
    return tls_node.client(verify=tls_node.certificate() if request.param == "tls-verified" else False)


@pytest.fixture
def box(s3):
    name = f"box-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    return name


def code(error):
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def test_object_goes_up_and_comes_back(s3, box):
    for size in [0, 1, 65536, 3 * MIB + 1]:
        body = os.urandom(size)
        put = s3.put_object(Bucket=box, Key="a key/with+odd ключ", Body=body, Metadata={"n": str(size)})
        got = s3.get_object(Bucket=box, Key="a key/with+odd ключ")
        assert got["Body"].read() == body and got["ETag"] == put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert got["Metadata"] == {"n": str(size)}
    s3.put_object(Bucket=box, Key="stream", Body=io.BytesIO(b"streamed"))
    assert s3.get_object(Bucket=box, Key="stream")["Body"].read() == b"streamed"


def test_transfer_of_many_parts_and_threads(s3, box, tmp_path):
    body = os.urandom(40 * MIB + 12345)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=6)
    s3.upload_fileobj(io.BytesIO(body), box, "large", Config=config)
    s3.download_file(box, "large", str(tmp_path / "back"), Config=config)
    assert (tmp_path / "back").read_bytes() == body
    assert s3.head_object(Bucket=box, Key="large")["ETag"].endswith('-6"')
    part = s3.get_object(Bucket=box, Key="large", PartNumber=6)
    assert part["Body"].read() == body[40 * MIB :] and part["PartsCount"] == 6


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksum_of_each_algorithm(s3, box, algorithm):
    if algorithm in ("CRC32C", "CRC64NVME"):
        # botocore computes these only with the awscrt package; the values are the catalogue's for b"123456789".
        value = {"CRC32C": 0xE3069283.to_bytes(4, "big"), "CRC64NVME": 0xAE8B14860A799888.to_bytes(8, "big")}[algorithm]
        right = {f"Checksum{algorithm}": base64.b64encode(value).decode()}
    else:
        right = {"ChecksumAlgorithm": algorithm}
    body = b"123456789"
    put = s3.put_object(Bucket=box, Key="k", Body=body, **right)
    got = s3.get_object(Bucket=box, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert got["ChecksumType"] == "FULL_OBJECT"
    wrong = base64.b64encode(b"\0" * len(base64.b64decode(put[f"Checksum{algorithm}"]))).decode()
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=box, Key="k2", Body=body, **{f"Checksum{algorithm}": wrong})
    assert code(error) == (400, "BadDigest")
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=box, Key="k2")
    assert code(error)[0] == 404


@pytest.mark.parametrize("algorithm,kind", [("CRC32", "COMPOSITE"), ("SHA256", "COMPOSITE"), ("SHA1", "COMPOSITE"), ("CRC32", "FULL_OBJECT")])
def test_checksum_of_an_upload_in_parts(s3, box, algorithm, kind):
    parts = [os.urandom(5 * MIB), os.urandom(100)]
    upload = s3.create_multipart_upload(Bucket=box, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)["UploadId"]
    done = []
    for number, body in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=box, Key="k", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        done.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": answer[f"Checksum{algorithm}"]})
    s3.complete_multipart_upload(Bucket=box, Key="k", UploadId=upload, MultipartUpload={"Parts": done}, ChecksumType=kind)
    value = s3.head_object(Bucket=box, Key="k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"]
    hashes = {"CRC32": lambda b: zlib.crc32(b).to_bytes(4, "big"), "SHA1": lambda b: hashlib.sha1(b).digest(), "SHA256": lambda b: hashlib.sha256(b).digest()}
    digest = hashes[algorithm]
    if kind == "COMPOSITE":
        expected = base64.b64encode(digest(b"".join(map(digest, parts)))).decode() + "-2"
    else:
        expected = base64.b64encode(digest(b"".join(parts))).decode()
    assert value == expected


def test_conditional_writes(s3, box):
    s3.put_object(Bucket=box, Key="k", Body=b"one", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=box, Key="k", Body=b"two", IfNoneMatch="*")
    assert code(error) == (412, "PreconditionFailed")
    etag = s3.head_object(Bucket=box, Key="k")["ETag"]
    s3.put_object(Bucket=box, Key="k", Body=b"three", IfMatch=etag)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=box, Key="k", Body=b"four", IfMatch=etag)
    assert code(error) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=box, Key="k")["Body"].read() == b"three"


def test_racing_writers_count_without_losing_one(node, bucket):
    """A counter kept by compare and swap: the way that table formats commit."""
    s3 = node.client()
    s3.put_object(Bucket=bucket, Key="counter", Body=b"0")
    failures = []

    def count():
        client = node.client()
        added = 0
        while added < 10:
            got = client.get_object(Bucket=bucket, Key="counter")
            value = int(got["Body"].read())
            try:
                client.put_object(Bucket=bucket, Key="counter", Body=str(value + 1).encode(), IfMatch=got["ETag"])
                added += 1
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                    failures.append(error)
                    return

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert s3.get_object(Bucket=bucket, Key="counter")["Body"].read() == b"40"


def test_paging(s3, box):
    keys = [f"dir{n % 3}/{n:04}" for n in range(250)]
    for key in keys:
        s3.put_object(Bucket=box, Key=key, Body=b"")
    for operation in ["list_objects", "list_objects_v2"]:
        pages = list(s3.get_paginator(operation).paginate(Bucket=box, PaginationConfig={"PageSize": 33}))
        assert [o["Key"] for page in pages for o in page["Contents"]] == sorted(keys)
        assert len(pages) == 8
        pages = s3.get_paginator(operation).paginate(Bucket=box, Delimiter="/", PaginationConfig={"PageSize": 2})
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["dir0/", "dir1/", "dir2/"]
    versions = s3.get_paginator("list_object_versions").paginate(Bucket=box, PaginationConfig={"PageSize": 99})
    assert [v["Key"] for page in versions for v in page["Versions"]] == sorted(keys)
    for start in range(0, len(keys), 100):
        answer = s3.delete_objects(Bucket=box, Delete={"Objects": [{"Key": key} for key in keys[start : start + 100]]})
        assert len(answer["Deleted"]) == len(keys[start : start + 100]) and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=box)["KeyCount"] == 0


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_of_both_versions(node, bucket, version):
    """boto3 presigns with version 2 by default against an endpoint of one's own."""
    s3 = node.client(signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ü+"}, ExpiresIn=60)
    # A body of urllib's gets a Content-Type, which version 2 signs: it must be the empty one that was signed.
    request = urllib.request.Request(put, data=b"by url", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request).status == 200
    params = {"Bucket": bucket, "Key": "a b/ü+", "ResponseContentType": "text/x-test"}
    get = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    answer = urllib.request.urlopen(get)
    assert (answer.read(), answer.headers["Content-Type"]) == (b"by url", "text/x-test")
    for altered in [get.replace("x-test", "x-toast"), get.replace(bucket, f"{bucket}x"), get[:-3] + "AAA"]:
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(altered)
        assert error.value.code in (403, 404)
    expired = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=-10)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(expired)
    assert error.value.code in (400, 403)


def test_signature_version_2(node, bucket):
    s3 = node.client(signature_version="s3")
    s3.create_bucket(Bucket=f"{bucket}-2")
    s3.put_object(Bucket=f"{bucket}-2", Key="a key", Body=b"body", Metadata={"a": "b"})
    assert s3.get_object(Bucket=f"{bucket}-2", Key="a key")["Body"].read() == b"body"
    assert s3.list_objects_v2(Bucket=f"{bucket}-2", Prefix="a ")["KeyCount"] == 1
    assert s3.list_multipart_uploads(Bucket=f"{bucket}-2")["IsTruncated"] is False
    s3.upload_fileobj(io.BytesIO(b"x" * (9 * MIB)), f"{bucket}-2", "parts")
    s3.delete_objects(Bucket=f"{bucket}-2", Delete={"Objects": [{"Key": "a key"}, {"Key": "parts"}]})
    s3.delete_bucket(Bucket=f"{bucket}-2")


def test_signature_version_2_is_refused_when_it_is_switched_off():
    from conftest import Node

    node = Node("--sigv2", "off", "--bucket", "box")
    with pytest.raises(ClientError) as error:
        node.client(signature_version="s3").list_objects_v2(Bucket="box")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    assert node.client().list_objects_v2(Bucket="box")["KeyCount"] == 0
    node.stop()


def test_certificate_that_nobody_vouches_for_is_refused(tls_node):
    with pytest.raises(SSLError):
        tls_node.client(verify=True).list_buckets()


def test_copies(s3, box):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket=box, Key="from", Body=body, Metadata={"a": "b"}, ContentType="text/x-test")
    s3.copy_object(Bucket=box, Key="to", CopySource={"Bucket": box, "Key": "from"})
    got = s3.get_object(Bucket=box, Key="to")
    assert (got["Body"].read() == body, got["Metadata"], got["ContentType"]) == (True, {"a": "b"}, "text/x-test")
    changed = s3.copy_object(Bucket=box, Key="to", CopySource={"Bucket": box, "Key": "to"}, MetadataDirective="REPLACE", Metadata={"c": "d"})
    assert changed["CopyObjectResult"]["ETag"] == got["ETag"]
    assert s3.head_object(Bucket=box, Key="to")["Metadata"] == {"c": "d"}


def test_copy_of_a_large_object_in_parts(s3, box):
    body = os.urandom(20 * MIB + 7)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), box, "from", Config=config)
    s3.copy({"Bucket": box, "Key": "from"}, box, "to", Config=config)
    assert s3.get_object(Bucket=box, Key="to")["Body"].read() == body


def test_versions_and_tags(s3, box):
    assert "Status" not in s3.get_bucket_versioning(Bucket=box)
    s3.put_bucket_versioning(Bucket=box, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=box)["Status"] == "Enabled"
    ids = [s3.put_object(Bucket=box, Key="k", Body=body, Tagging="n=1&m=")["VersionId"] for body in [b"one", b"two"]]
    assert [s3.get_object(Bucket=box, Key="k", VersionId=i)["Body"].read() for i in ids] == [b"one", b"two"]
    tags = s3.get_object_tagging(Bucket=box, Key="k", VersionId=ids[0])["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"n": "1", "m": ""}
    s3.put_object_tagging(Bucket=box, Key="k", Tagging={"TagSet": [{"Key": "new", "Value": "ü"}]})
    assert s3.get_object_tagging(Bucket=box, Key="k")["TagSet"] == [{"Key": "new", "Value": "ü"}]
    s3.delete_object_tagging(Bucket=box, Key="k")
    assert s3.get_object_tagging(Bucket=box, Key="k")["TagSet"] == []
    assert s3.delete_object(Bucket=box, Key="k")["DeleteMarker"] is True
    listed = s3.list_object_versions(Bucket=box)
    assert [v["VersionId"] for v in listed["Versions"]] == ids[::-1] and len(listed["DeleteMarkers"]) == 1
    doomed = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in listed["Versions"] + listed["DeleteMarkers"]]
    assert len(s3.delete_objects(Bucket=box, Delete={"Objects": doomed})["Deleted"]) == 3
    s3.delete_bucket(Bucket=box)


def test_conditional_reads(s3, box):
    s3.put_object(Bucket=box, Key="k", Body=b"body")
    head = s3.head_object(Bucket=box, Key="k")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=box, Key="k", IfNoneMatch=head["ETag"])
    assert code(error)[0] == 304
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=box, Key="k", IfModifiedSince=head["LastModified"] + datetime.timedelta(seconds=0))
    assert code(error)[0] == 304
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=box, Key="k", IfMatch='"other"')
    assert code(error) == (412, "PreconditionFailed")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=box, Key="missing", IfMatch='"other"')
    assert code(error) == (404, "NoSuchKey")


def test_a_presigned_question_for_who_asks_is_answered_to_whoever_opens_it(node):
    sts = node.client(service="sts")
    told = sts.get_caller_identity()
    for expires in [{}, {"ExpiresIn": 60}]:
        url = sts.generate_presigned_url("get_caller_identity", HttpMethod="GET", **expires)
        with urllib.request.urlopen(url) as response:
            text = response.read().decode()
        assert told["Arn"].endswith(":root") and f"<Arn>{told['Arn']}</Arn>" in text, text
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(url.replace("Signature=", "Signature=0"))
        assert error.value.code == 403

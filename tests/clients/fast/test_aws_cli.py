"""aws cli: what its users do all day."""

import json
import os
import urllib.request

import pytest
from conftest import files


@pytest.fixture
def aws(node):
    return lambda *arguments, **further: node.run("aws", *map(str, arguments), **further)


def test_sync_takes_a_tree_there_and_back(aws, bucket, tree, tmp_path):
    aws("s3", "sync", "--only-show-errors", tree, f"s3://{bucket}/tree")
    assert aws("s3", "sync", tree, f"s3://{bucket}/tree") == "", "a second sync finds nothing to do"
    aws("s3", "sync", "--only-show-errors", f"s3://{bucket}/tree", tmp_path / "back")
    assert files(tmp_path / "back") == files(tree)
    listing = aws("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}/tree/")
    assert f"Total Objects: {len(files(tree))}" in listing
    aws("s3", "rm", "--only-show-errors", "--recursive", f"s3://{bucket}/tree")
    assert aws("s3", "ls", f"s3://{bucket}") == ""


def test_file_of_100_mb_goes_up_and_comes_back(aws, bucket, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(100 * 1000 * 1000))
    aws("s3", "cp", "--only-show-errors", tmp_path / "large", f"s3://{bucket}/large")
    aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/large", f"s3://{bucket}/copied")
    aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/copied", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "large"))
    assert head["ContentLength"] == 100 * 1000 * 1000 and head["ETag"].endswith('-12"')


def test_file_goes_through_standard_input_and_output(aws, bucket, tmp_path):
    (tmp_path / "small").write_text("small\n")
    aws("s3", "cp", tmp_path / "small", f"s3://{bucket}/small")
    assert aws("s3", "cp", f"s3://{bucket}/small", "-") == "small\n"
    aws("s3", "mv", f"s3://{bucket}/small", f"s3://{bucket}/moved")
    assert aws("s3", "ls", f"s3://{bucket}/").split()[-1] == "moved"
    url = aws("s3", "presign", f"s3://{bucket}/moved", "--expires-in", "60").strip()
    assert urllib.request.urlopen(url).read() == b"small\n"


def test_make_and_remove_a_bucket(aws, bucket):
    aws("s3", "mb", f"s3://{bucket}-made")
    assert f"{bucket}-made" in aws("s3", "ls")
    aws("s3", "rb", f"s3://{bucket}-made")
    assert f"{bucket}-made" not in aws("s3", "ls")


def test_s3api_verbs_one_by_one(aws, bucket, tmp_path):
    def api(verb, *arguments, code=0):
        text = aws("s3api", verb, *arguments, code=code)
        return json.loads(text) if text else None

    body = tmp_path / "body"
    body.write_bytes(b"0123456789")
    here = ("--bucket", bucket)
    key = (*here, "--key", "dir/key")

    api("create-bucket", "--bucket", f"{bucket}-2")
    api("head-bucket", *here)
    assert {b["Name"] for b in api("list-buckets")["Buckets"]} >= {bucket, f"{bucket}-2"}
    assert api("get-bucket-location", *here)["LocationConstraint"] is None
    api("delete-bucket", "--bucket", f"{bucket}-2")

    put = api("put-object", *key, "--body", body, "--metadata", "colour=red", "--content-type", "text/x-test")
    head = api("head-object", *key)
    assert (head["ETag"], head["Metadata"], head["ContentType"]) == (put["ETag"], {"colour": "red"}, "text/x-test")
    api("get-object", *key, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"0123456789"
    api("get-object", *key, "--range", "bytes=2-4", tmp_path / "range")
    assert (tmp_path / "range").read_bytes() == b"234"
    attributes = api("get-object-attributes", *key, "--object-attributes", "ETag", "ObjectSize", "StorageClass")
    assert (attributes["ObjectSize"], attributes["StorageClass"]) == (10, "STANDARD")

    api("copy-object", *here, "--key", "copy", "--copy-source", f"{bucket}/dir/key")
    assert [o["Key"] for o in api("list-objects-v2", *here)["Contents"]] == ["copy", "dir/key"]
    assert [o["Key"] for o in api("list-objects", *here, "--prefix", "dir/")["Contents"]] == ["dir/key"]
    assert api("list-objects-v2", *here, "--delimiter", "/")["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert [v["VersionId"] for v in api("list-object-versions", *here)["Versions"]] == ["null", "null"]

    upload = ("--upload-id", api("create-multipart-upload", *key)["UploadId"])
    assert [u["Key"] for u in api("list-multipart-uploads", *here)["Uploads"]] == ["dir/key"]
    etag = api("upload-part", *key, *upload, "--part-number", "1", "--body", body)["ETag"]
    assert [p["ETag"] for p in api("list-parts", *key, *upload)["Parts"]] == [etag]
    parts = json.dumps({"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert api("complete-multipart-upload", *key, *upload, "--multipart-upload", parts)["ETag"].endswith('-1"')
    upload = ("--upload-id", api("create-multipart-upload", *key)["UploadId"])
    api("abort-multipart-upload", *key, *upload)
    assert "Uploads" not in (api("list-multipart-uploads", *here) or {})

    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}}
    api("put-bucket-policy", *here, "--policy", json.dumps(policy))
    assert json.loads(api("get-bucket-policy", *here)["Policy"]) == policy
    api("delete-bucket-policy", *here)
    api("get-bucket-policy", *here, code=255)

    assert api("delete-objects", *here, "--delete", json.dumps({"Objects": [{"Key": "copy"}]}))["Deleted"] == [{"Key": "copy"}]
    api("delete-object", *key)
    api("head-object", *key, code=255)


def test_wrong_secret_is_told(node, bucket):
    result = node.run("aws", "s3", "ls", f"s3://{bucket}", code=255, AWS_SECRET_ACCESS_KEY="wrong", AWS_MAX_ATTEMPTS="1")
    assert result == ""

"""Every operation of the AWS SDK's model of S3, sent as the SDK sends it: it does its own job, or says that it isn't there.

The danger is another operation's answer: a DELETE of a subresource that deletes the bucket, a GET that lists it, a PUT that writes an object.
"""

import datetime

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

MODEL = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x").meta.service_model

# Operations that other tests show at work.
THERE = {
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketLocation",
    "GetBucketPolicy",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectAttributes",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutBucketPolicy",
    "PutBucketVersioning",
    "PutObject",
    "PutObjectTagging",
    "UploadPart",
    "UploadPartCopy",
}

# Not S3's own endpoint, so no request of theirs can reach a node.
ELSEWHERE = {
    "ListDirectoryBuckets": "the same request line as ListBuckets, at the endpoint of directory buckets",
    "WriteGetObjectResponse": "goes to a host of its own, made from a token",
}


def value(shape, name="", depth=0):
    """The least value that the model takes for a shape."""
    if name in ("Bucket", "Key", "CopySource", "RenameSource"):
        return {"Bucket": None, "Key": "k", "CopySource": "{bucket}/k", "RenameSource": "{bucket}/k"}[name]
    match shape.type_name:
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else "x"
        case "integer" | "long":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return datetime.datetime(2030, 1, 1)
        case "blob":
            return b"x"
        case "list":
            return [value(shape.member, depth=depth + 1)]
        case "map":
            return {"k": value(shape.value, depth=depth + 1)}
        case "structure":
            return {n: value(m, n, depth + 1) for n, m in shape.members.items() if n in shape.required_members}
        case other:
            raise AssertionError(f"no value for {other}")


def parameters(operation, bucket):
    shape = MODEL.operation_model(operation).input_shape
    if shape is None:
        return {}
    given = {}
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        if name in shape.required_members or name == payload:
            given[name] = value(member, name)
    if "Bucket" in given:
        given["Bucket"] = bucket
    for name, text in given.items():
        if isinstance(text, str):
            given[name] = text.replace("{bucket}", bucket)
    return given


def snapshot(client, bucket):
    """All that an operation that isn't there could have changed."""
    objects = [(o["Key"], o["ETag"]) for o in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    head = client.head_object(Bucket=bucket, Key="k")
    return objects, head["Metadata"], head["ETag"], head["LastModified"], len(client.list_buckets()["Buckets"])


def test_every_operation_of_the_model_is_there_or_not_implemented(node, bucket):
    client = node.client(parameter_validation=False)
    client.put_object(Bucket=bucket, Key="k", Body=b"body", Metadata={"a": "b"})
    before = snapshot(client, bucket)
    wrong = []
    for operation in sorted(set(MODEL.operation_names) - THERE - set(ELSEWHERE)):
        method = getattr(client, xform_name(operation))
        try:
            method(**parameters(operation, bucket))
            wrong.append(f"{operation} is answered with success")
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            # A HEAD answer has no body to carry the code.
            if (status, code) not in [(501, "NotImplemented"), (501, "501")]:
                wrong.append(f"{operation} is answered with {status} {code}")
        if snapshot(client, bucket) != before:
            wrong.append(f"{operation} changed the bucket")
            break
    assert not wrong, "\n".join(wrong)


def test_operations_that_are_there_are_in_the_model():
    assert THERE | set(ELSEWHERE) <= set(MODEL.operation_names)

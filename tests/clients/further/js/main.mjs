// What a program with the AWS SDK for JavaScript does: buckets, objects, streams, parts, conditions, paging.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";
import {
  CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const endpoint = process.env.AWS_ENDPOINT_URL;
// RFC 6761 gives localhost and all below it to the loopback address, but not every resolver knows.
const lookup = (host, options, done) =>
  options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
const client = new S3Client({
  endpoint,
  region: process.env.AWS_DEFAULT_REGION,
  maxAttempts: 1,
  // No certificate can name all buckets below localhost: TLS libraries refuse `*.localhost` as too broad.
  forcePathStyle: endpoint.startsWith("https:"),
  requestHandler: { httpAgent: new http.Agent({ lookup, keepAlive: true }), httpsAgent: new https.Agent({ lookup, keepAlive: true }) },
});
const Bucket = "from-javascript";
const send = (Command, input) => client.send(new Command(input));

await send(CreateBucketCommand, { Bucket });
assert.deepEqual((await send(ListBucketsCommand, {})).Buckets.map((bucket) => bucket.Name), [Bucket]);

const body = randomBytes(300_000);
const put = await send(PutObjectCommand, { Bucket, Key: "a key/ключ+1", Body: body, Metadata: { colour: "red" } });
assert.ok(put.ChecksumCRC32, "the SDK sends a CRC-32 by default and the node answers it");
const got = await send(GetObjectCommand, { Bucket, Key: "a key/ключ+1" });
assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), body);
assert.deepEqual(got.Metadata, { colour: "red" });
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  await send(PutObjectCommand, { Bucket, Key: "sum", Body: "123456789", ChecksumAlgorithm });
  const head = await send(HeadObjectCommand, { Bucket, Key: "sum", ChecksumMode: "ENABLED" });
  assert.ok(head[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
}

// A stream of unknown length goes up in parts.
const large = randomBytes(17 * 1024 * 1024 + 5);
async function* chunks() {
  for (let at = 0; at < large.length; at += 100_000) yield large.subarray(at, at + 100_000);
}
const { Readable } = await import("node:stream");
await new Upload({ client, params: { Bucket, Key: "large", Body: Readable.from(chunks()) }, partSize: 5 * 1024 * 1024 }).done();
const back = await send(GetObjectCommand, { Bucket, Key: "large" });
assert.ok(Buffer.from(await back.Body.transformToByteArray()).equals(large), "the parts differ");
const range = await send(GetObjectCommand, { Bucket, Key: "large", Range: "bytes=5242879-5242881" });
assert.deepEqual(Buffer.from(await range.Body.transformToByteArray()), large.subarray(5242879, 5242882));

await assert.rejects(send(PutObjectCommand, { Bucket, Key: "large", Body: "x", IfNoneMatch: "*" }), { name: "PreconditionFailed" });
await assert.rejects(send(GetObjectCommand, { Bucket, Key: "missing" }), { name: "NoSuchKey" });

for (let n = 0; n < 25; n++) await send(PutObjectCommand, { Bucket, Key: `many/${n}`, Body: "" });
const keys = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 7 }, { Bucket })) keys.push(...page.Contents.map((object) => object.Key));
assert.equal(keys.length, 28);
const deleted = await send(DeleteObjectsCommand, { Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } });
assert.equal(deleted.Deleted.length, 28);
await send(DeleteBucketCommand, { Bucket });
console.log("done");

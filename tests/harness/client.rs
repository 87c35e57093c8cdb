//! An S3 client made of the raw pieces: who signs, from which address, to which node.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::http::{Connection, Request, Response, encode_path};
use crate::sign::{Chunks, Credentials, Signer};

/// Sends requests to one node. Every call opens a connection of its own, so that addresses never mix.
#[derive(Clone, Debug)]
pub struct Client {
    server: SocketAddr,
    host: String,
    source: Option<IpAddr>,
    credentials: Option<Credentials>,
}

impl Client {
    /// A client of the node at this address, which signs unless `credentials` is none.
    pub fn new(server: SocketAddr, credentials: Option<Credentials>) -> Client {
        Client { server, host: server.to_string(), source: None, credentials }
    }

    /// The same client calling from another loopback address, such as `127.0.21.5`.
    #[must_use]
    pub fn from(&self, source: &str) -> Client {
        Client { source: Some(source.parse().expect("an IP address")), ..self.clone() }
    }

    /// The same client signing as someone else.
    #[must_use]
    pub fn with(&self, access_key: &str, secret_key: &str) -> Client {
        Client { credentials: Some(Credentials::new(access_key, secret_key)), ..self.clone() }
    }

    /// The same client without a signature.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client { credentials: None, ..self.clone() }
    }

    /// A signer of this client's, now.
    ///
    /// # Panics
    /// When the client is anonymous.
    pub fn signer(&self) -> Signer {
        Signer::new(self.credentials.clone().expect("a client that signs"))
    }

    /// A request to a bucket and key with this node's host, unsigned. An empty key is the bucket, an empty bucket the service.
    pub fn request(&self, method: &str, bucket: &str, key: &str) -> Request {
        let slash = if key.is_empty() { "" } else { "/" };
        self.target(method, &format!("/{bucket}{slash}{}", encode_path(key)))
    }

    /// A request to a target as it stands, with this node's host, unsigned.
    pub fn target(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).header("host", self.host.clone())
    }

    /// Signs, unless the client is anonymous, and sends.
    #[track_caller]
    pub fn send(&self, mut request: Request) -> Response {
        if self.credentials.is_some() {
            self.signer().sign(&mut request);
        }
        self.send_as_is(&request)
    }

    /// Sends without a further signature.
    #[track_caller]
    pub fn send_as_is(&self, request: &Request) -> Response {
        self.try_send_as_is(request)
            .unwrap_or_else(|error| panic!("{} {} was not answered: {error}", request.method, request.target))
    }

    /// Signs and sends; the error is for tests that kill the node.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn try_send(&self, mut request: Request) -> std::io::Result<Response> {
        if self.credentials.is_some() {
            self.signer().sign(&mut request);
        }
        self.try_send_as_is(&request)
    }

    /// Sends without a further signature; the error is for tests that kill the node.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn try_send_as_is(&self, request: &Request) -> std::io::Result<Response> {
        self.connect()?.send(request)
    }

    /// A connection from this client's address.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn connect(&self) -> std::io::Result<Connection> {
        Connection::open(self.server, self.source)
    }

    /// A URL's request that opens for `expires`: whoever sends it is judged as this client.
    pub fn presigned(&self, mut request: Request, expires: Duration) -> Request {
        self.signer().presign(&mut request, expires);
        request
    }

    /// Sends a body as `aws-chunked`.
    #[track_caller]
    pub fn send_chunked(&self, mut request: Request, chunks: &[&[u8]], kind: Chunks<'_>) -> Response {
        self.signer().sign_chunked(&mut request, chunks, kind);
        self.send_as_is(&request)
    }

    /// CreateBucket.
    #[track_caller]
    pub fn create_bucket(&self, bucket: &str) -> Response {
        self.send(self.request("PUT", bucket, ""))
    }

    /// PutObject.
    #[track_caller]
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(self.request("PUT", bucket, key).body(body))
    }

    /// GetObject.
    #[track_caller]
    pub fn get(&self, bucket: &str, key: &str) -> Response {
        self.send(self.request("GET", bucket, key))
    }

    /// HeadObject.
    #[track_caller]
    pub fn head(&self, bucket: &str, key: &str) -> Response {
        self.send(self.request("HEAD", bucket, key))
    }

    /// DeleteObject.
    #[track_caller]
    pub fn delete(&self, bucket: &str, key: &str) -> Response {
        self.send(self.request("DELETE", bucket, key))
    }

    /// ListObjectsV2 with these parameters.
    #[track_caller]
    pub fn list(&self, bucket: &str, parameters: &[(&str, &str)]) -> Response {
        let request = self.request("GET", bucket, "").query("list-type", "2");
        self.send(parameters.iter().fold(request, |request, (name, value)| request.query(name, value)))
    }

    /// Every key of a bucket, page by page.
    #[track_caller]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut token = String::new();
        loop {
            let mut parameters = Vec::new();
            if !token.is_empty() {
                parameters.push(("continuation-token", token.as_str()));
            }
            let page = self.list(bucket, &parameters);
            page.expect(200, "");
            keys.extend(page.xml_all("Contents/Key"));
            if page.xml("IsTruncated") != "true" {
                return keys;
            }
            token = page.xml("NextContinuationToken");
            assert!(!token.is_empty(), "a truncated page has a token: {page}");
        }
    }

    /// CopyObject.
    #[track_caller]
    pub fn copy(&self, from_bucket: &str, from_key: &str, to_bucket: &str, to_key: &str) -> Response {
        let source = format!("/{from_bucket}/{}", encode_path(from_key));
        self.send(self.request("PUT", to_bucket, to_key).header("x-amz-copy-source", source))
    }

    /// PutBucketPolicy.
    #[track_caller]
    pub fn put_policy(&self, bucket: &str, policy: &serde_json::Value) -> Response {
        self.send(self.request("PUT", bucket, "").query("policy", "").body(policy.to_string()))
    }

    /// CreateMultipartUpload; answers the upload's id.
    #[track_caller]
    pub fn create_upload(&self, bucket: &str, key: &str) -> String {
        let response = self.send(self.request("POST", bucket, key).query("uploads", ""));
        response.expect(200, "").xml("UploadId")
    }

    /// UploadPart.
    #[track_caller]
    pub fn upload_part(&self, bucket: &str, key: &str, upload: &str, number: u32, body: &[u8]) -> Response {
        self.send(self.part_request(bucket, key, upload, number).body(body))
    }

    /// A request for UploadPart, without its body.
    pub fn part_request(&self, bucket: &str, key: &str, upload: &str, number: u32) -> Request {
        self.request("PUT", bucket, key).query("partNumber", &number.to_string()).query("uploadId", upload)
    }

    /// CompleteMultipartUpload of the parts with these ETags, numbered from 1.
    #[track_caller]
    pub fn complete_upload(&self, bucket: &str, key: &str, upload: &str, etags: &[String]) -> Response {
        self.send(self.complete_request(bucket, key, upload, etags))
    }

    /// The request of [`Client::complete_upload`].
    pub fn complete_request(&self, bucket: &str, key: &str, upload: &str, etags: &[String]) -> Request {
        let parts: String = etags
            .iter()
            .enumerate()
            .map(|(index, etag)| format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1))
            .collect();
        let xml = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        self.request("POST", bucket, key).query("uploadId", upload).body(xml)
    }
}

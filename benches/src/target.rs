//! A server under measurement: where it is, who signs to it, and which process is charged.
//!
//! Our node, bare hyper and any other S3 endpoint differ here only in what is known of them, so that every work is one code for all.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::content::Content;
use crate::failure::{Context, Failure, Result};
use crate::http::{Connection, Reply, Sink};
use crate::load::{Answer, Heads, Plan, drive};
use crate::sign::{Credentials, EMPTY_SHA256, Request, Signer, UNSIGNED_PAYLOAD};

/// One S3 endpoint, plain HTTP.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// The host header, with its port.
    pub(crate) host: String,
    pub(crate) credentials: Credentials,
    /// The server's process, when it runs on this machine.
    pub(crate) process: Option<u32>,
    /// Where a node serves its metrics.
    pub(crate) console: Option<SocketAddr>,
    /// Whether it keeps what is put. Bare hyper doesn't, and answers gets by their size alone.
    pub(crate) stores: bool,
}

/// The name of the server that others are set in relation to.
pub(crate) const BARE_HYPER: &str = "bare hyper";

/// A node's counters of its log, since its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogCounters {
    pub(crate) syncs: f64,
    pub(crate) records: f64,
    pub(crate) bytes: f64,
}

/// How many connections load objects where that is not what is measured.
const LOADING_CONNECTIONS: usize = 64;
/// Long enough for any preparation; it ends with its last request.
const PREPARATION_TIME_MAX: Duration = Duration::from_secs(1800);

impl Target {
    /// Host and address of a URL such as `http://127.0.0.1:9000`.
    pub(crate) fn locate(url: &str) -> Result<(String, SocketAddr)> {
        let host = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .context(format!("{url}: an endpoint is http://HOST:PORT; pass a plain HTTP listener"))?;
        let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = with_port.to_socket_addrs().context(format!("looking up {host}"))?.next();
        Ok((host.to_owned(), address.context(format!("{host} has no address"))?))
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::new(&self.credentials, &self.host)
    }

    /// One request on a connection of its own.
    pub(crate) async fn request(&self, request: Request<'_>, body: &Content, sink: Sink<'_>) -> Result<Reply> {
        let head = self.signer().head(&request);
        Connection::open(self.address).await?.exchange(head.as_bytes(), body, sink).await
    }

    pub(crate) async fn create_bucket(&self, bucket: &str) -> Result<()> {
        let path = format!("/{bucket}");
        let request = Request { method: "PUT", path: &path, query: &[], payload: EMPTY_SHA256, body_bytes: 0 };
        let reply = self.request(request, &Content::empty(), Sink::Keep).await?;
        reply.expect(200).context(format!("creating the bucket {bucket} at {}", self.name)).map(|_| ())
    }

    /// Puts one body under many keys. For servers that store.
    pub(crate) async fn fill(&self, bucket: &str, keys: impl Iterator<Item = String>, body: &Content) -> Result<()> {
        let (signer, payload) = (self.signer(), body.sha256());
        let mut heads = Heads::default();
        for key in keys {
            let path = format!("/{bucket}/{key}");
            heads.push(&signer.head(&Request {
                method: "PUT",
                path: &path,
                query: &[],
                payload: &payload,
                body_bytes: body.length(),
            }));
        }
        let wanted = heads.len() as u64;
        let connections = LOADING_CONNECTIONS.min(heads.len());
        let plan = Plan {
            heads,
            body: body.clone(),
            answer: Answer::Status(200),
            again: false,
            connections,
            time_max: PREPARATION_TIME_MAX,
        };
        let tally = drive(self.address, plan).await.context(format!("loading objects into {}", self.name))?;
        if tally.requests == wanted {
            Ok(())
        } else {
            Err(Failure::new(format!("{} took {} objects instead of {wanted}", self.name, tally.requests)))
        }
    }

    /// Puts one body of any length, its bytes not covered by the signature.
    pub(crate) async fn put_stream(&self, path: &str, body: &Content) -> Result<()> {
        let request = Request { method: "PUT", path, query: &[], payload: UNSIGNED_PAYLOAD, body_bytes: body.length() };
        self.request(request, body, Sink::Discard).await?.expect(200).context(format!("putting {path}")).map(|_| ())
    }

    /// Gets a body of any length and compares each byte.
    pub(crate) async fn get_stream(&self, path: &str, body: &Content) -> Result<()> {
        let request = Request { method: "GET", path, query: &[], payload: EMPTY_SHA256, body_bytes: 0 };
        let reply = self.request(request, &Content::empty(), Sink::Compare(body)).await;
        let reply = reply.and_then(|reply| reply.expect(200)).context(format!("getting {path}"))?;
        if reply.length == body.length() {
            Ok(())
        } else {
            Err(Failure::new(format!("getting {path}: {} bytes instead of {}", reply.length, body.length())))
        }
    }

    /// Deletes all objects of a bucket, then the bucket.
    pub(crate) async fn remove_bucket(&self, bucket: &str) -> Result<()> {
        let doing = || format!("removing the bucket {bucket} at {}", self.name);
        let bucket_path = format!("/{bucket}");
        loop {
            let request = Request {
                method: "GET",
                path: &bucket_path,
                query: &[("list-type", "2"), ("max-keys", "1000")],
                payload: EMPTY_SHA256,
                body_bytes: 0,
            };
            let page = self.request(request, &Content::empty(), Sink::Keep).await?.expect(200).context(doing())?;
            let page = String::from_utf8_lossy(&page.kept).into_owned();
            let signer = self.signer();
            let mut heads = Heads::default();
            // The keys are ours: nothing in them is escaped in XML or encoded in a path.
            for key in page.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                let path = format!("{bucket_path}/{key}");
                let payload = EMPTY_SHA256;
                heads.push(&signer.head(&Request {
                    method: "DELETE",
                    path: &path,
                    query: &[],
                    payload,
                    body_bytes: 0,
                }));
            }
            if heads.len() == 0 {
                break;
            }
            let plan = Plan {
                heads,
                body: Content::empty(),
                answer: Answer::Status(204),
                again: false,
                connections: 16,
                time_max: PREPARATION_TIME_MAX,
            };
            drive(self.address, plan).await.context(doing())?;
        }
        let request =
            Request { method: "DELETE", path: &bucket_path, query: &[], payload: EMPTY_SHA256, body_bytes: 0 };
        let reply = self.request(request, &Content::empty(), Sink::Keep).await?;
        reply.expect(204).context(doing()).map(|_| ())
    }

    /// The log's counters. None when this is not a node or its metrics lack them.
    pub(crate) async fn log_counters(&self) -> Result<Option<LogCounters>> {
        let Some(text) = self.metrics().await? else { return Ok(None) };
        let syncs = metric(&text, "strongroom_engine_syncs_total");
        let records = metric(&text, "strongroom_engine_records_total");
        let bytes = metric(&text, "strongroom_engine_log_bytes_total");
        let all = syncs.zip(records).zip(bytes);
        Ok(all.map(|((syncs, records), bytes)| LogCounters { syncs, records, bytes }))
    }

    /// One of a node's counters, by its metric.
    pub(crate) async fn counter(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.metrics().await?.and_then(|text| metric(&text, name)))
    }

    async fn metrics(&self) -> Result<Option<String>> {
        let Some(console) = self.console else { return Ok(None) };
        let head = format!("GET /metrics HTTP/1.1\r\nhost: {console}\r\n\r\n");
        let mut connection = Connection::open(console).await?;
        let reply = connection.exchange(head.as_bytes(), &Content::empty(), Sink::Keep).await?;
        Ok((reply.status == 200).then(|| String::from_utf8_lossy(&reply.kept).into_owned()))
    }
}

/// The sum of a metric over its labels, in Prometheus' text form.
fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
        rest.rsplit('}').next()?.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_a_host_and_maybe_a_port() {
        assert_eq!(
            Target::locate("http://127.0.0.1:9000/").unwrap(),
            ("127.0.0.1:9000".into(), "127.0.0.1:9000".parse().unwrap())
        );
        assert_eq!(Target::locate("http://127.0.0.1").unwrap().1, "127.0.0.1:80".parse().unwrap());
        assert_eq!(Target::locate("http://[::1]").unwrap().1, "[::1]:80".parse().unwrap());
        for bad in ["https://127.0.0.1:9000", "127.0.0.1:9000", "http://", "http://127.0.0.1/prefix"] {
            assert!(Target::locate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_metric_is_summed_over_its_labels_and_absent_when_absent() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3.5\na_total 100\nb 7\n";
        assert_eq!(metric(text, "a"), Some(5.5));
        assert_eq!(metric(text, "b"), Some(7.0));
        assert_eq!(metric(text, "c"), None);
    }
}

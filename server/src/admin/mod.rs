//! Administration of a node: the admin API, on the console listener and on the local socket.

mod access;
mod accounts;
mod answer;
mod audit;
mod auth;
mod buckets;
mod call;
mod caller;
mod declared;
mod difference;
mod effective;
mod handle;
mod json;
mod objects;
mod openapi;
mod page;
mod password;
mod permissions;
mod resource;
mod route;
mod service_accounts;
mod simulate;
pub mod socket;
mod status;
mod usage;
mod users;
mod wire;

use std::sync::Arc;

use http::request::Parts;
use hyper::body::Incoming;

use crate::clock;
use crate::http::body::RequestBody;
use crate::http::proxy;
use crate::http::serve::Connection;
use crate::http::whole::whole;
use crate::protocol::request::Peer;
use crate::protocol::respond::Response;
use crate::state::State;

pub(crate) use handle::is_below;
use route::BASE;

/// Answers a call that came over the network.
pub(crate) async fn answer(state: &Arc<State>, connection: &Connection, request: hyper::Request<Incoming>) -> Response {
    let (head, incoming) = request.into_parts();
    let address = proxy::client_address(connection.peer.ip(), &head.headers, &state.config.trusted_proxies);
    let peer = peer(state, connection, address, &head.headers);
    let body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    carry_out(state, caller::Door::Network, head, peer, body).await
}

/// Answers a call; one that changes something to its end, also when its caller goes away meanwhile: what is changed is recorded, and nothing is left half done.
async fn carry_out(state: &Arc<State>, door: caller::Door, head: Parts, peer: Peer, body: RequestBody) -> Response {
    let (state, now, is_safe) = (state.clone(), clock::now_seconds(), head.method.is_safe());
    let answering = async move { handle::handle(&state, door, head, peer, body, now).await };
    if is_safe { answering.await } else { whole(answering).await }
}

fn peer(state: &State, connection: &Connection, address: std::net::IpAddr, headers: &http::HeaderMap) -> Peer {
    Peer {
        address,
        secure: connection.tls_version.is_some(),
        secure_before_proxy: proxy::is_secure_before(connection.peer.ip(), headers, &state.config.trusted_proxies),
        tls_version: connection.tls_version,
    }
}

/// Whether a request's credentials let it see the node's metrics: those of the operator's account that may see its status.
pub(crate) fn may_see_metrics(state: &State, connection: &Connection, address: std::net::IpAddr, head: &Parts) -> bool {
    let now = clock::now_seconds();
    let snapshot = Arc::clone(&state.identities.snapshot());
    let found = caller::Caller::of(state, &snapshot, caller::Door::Network, head, Some(EMPTY_SHA256), now);
    let Ok(Some(caller)) = found else { return false };
    let peer = peer(state, connection, address, &head.headers);
    let circumstances = caller::Circumstances { state, head, peer: &peer, now };
    caller.account().operator && caller.require(&circumstances, policy::Action::StrongroomGetStatus).is_ok()
}

/// The hash of no body, which signers for services other than S3 sign without sending it.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Answers a call that came over the local socket, whose peer is the node's admin.
async fn answer_local(state: &Arc<State>, request: hyper::Request<Incoming>) -> Response {
    state.identities.loaded().await;
    let (head, incoming) = request.into_parts();
    // The peer is on this machine; its address is what conditions on addresses compare.
    let peer = Peer {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        secure: false,
        secure_before_proxy: false,
        tls_version: None,
    };
    let body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    carry_out(state, caller::Door::Local, head, peer, body).await
}

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
mod handle;
mod objects;
mod openapi;
mod page;
mod password;
mod permissions;
mod route;
mod service_accounts;
mod simulate;
pub mod socket;
mod status;
mod usage;
mod users;
mod wire;

use std::sync::Arc;

use hyper::body::Incoming;

use crate::clock;
use crate::http::body::RequestBody;
use crate::http::proxy;
use crate::http::serve::Connection;
use crate::protocol::request::Peer;
use crate::protocol::respond::Response;
use crate::state::State;

pub(crate) use handle::is_below;

/// Answers a call that came over the network.
pub(crate) async fn answer(state: &Arc<State>, connection: &Connection, request: hyper::Request<Incoming>) -> Response {
    let (head, incoming) = request.into_parts();
    let address = proxy::client_address(connection.peer.ip(), &head.headers, &state.config.trusted_proxies);
    let peer = Peer { address, secure: connection.tls_version.is_some(), tls_version: connection.tls_version };
    let body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    handle::handle(state, caller::Door::Network, head, peer, body, clock::now_seconds()).await
}

/// Answers a call that came over the local socket, whose peer is the node's admin.
async fn answer_local(state: &Arc<State>, request: hyper::Request<Incoming>) -> Response {
    let (head, incoming) = request.into_parts();
    // The peer is on this machine; its address is what conditions on addresses compare.
    let peer = Peer { address: std::net::Ipv4Addr::LOCALHOST.into(), secure: false, tls_version: None };
    let body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    handle::handle(state, caller::Door::Local, head, peer, body, clock::now_seconds()).await
}

//! Who may be believed: signatures by header, in the query and per chunk.

mod chunked;
mod header;
mod identity;
mod presigned;
mod proxy;
mod secret;

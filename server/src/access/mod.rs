//! Who may do what: binds signatures to identities, and judges every request before its handler can be called.

pub mod authenticate;
pub mod authorize;
pub mod context;
mod denial;
mod facts;
mod question;

#[cfg(test)]
mod tests;

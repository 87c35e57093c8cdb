//! Leaves the symbols out of the released binary.
//!
//! The profile says so too, but Cargo forgets that for a package whose `opt-level` differs from the profile's.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-s");
    }
}

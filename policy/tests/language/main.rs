//! The tables of LANGUAGE.md, cell by cell, through the public interface.

mod conditions;
mod decision;
mod documents;
mod explain;
mod findings;
mod lyve;
mod properties;
mod seeds;
mod support;

//! From the bytes of row images to values in a row arena.
//!
//! A plan with one codec per column is made once per table map; decoding a row then allocates
//! nothing. Nothing here guesses: what cannot be decoded is an error that names the column, never
//! the value (SECRET-1).

pub(crate) mod address;
pub(crate) mod codec;
pub(crate) mod compressed;
pub(crate) mod decimal;
pub(crate) mod image;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod temporal;

pub(crate) use codec::Codec;
pub use codec::ValueError;
pub use image::ImageError;
pub(crate) use image::{RowPlan, RowReader};

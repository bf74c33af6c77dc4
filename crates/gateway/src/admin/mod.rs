//! What the gateway answers itself.

#[cfg(test)]
pub(crate) mod sample;

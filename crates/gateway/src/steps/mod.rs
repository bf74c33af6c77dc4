//! The sentences of the pipeline's story, a file each.

mod account;
mod admit;
mod ask;
mod authenticate;
mod brought;
mod identify;
mod redactor;
mod refuse;
pub(crate) mod stream;
mod translate;

pub(crate) use account::Account;
pub(crate) use admit::{Permit, admit};
pub(crate) use ask::{Answered, ask};
pub(crate) use authenticate::{authenticate, check_address};
pub(crate) use identify::{Call, identify};
pub(crate) use redactor::Redactor;

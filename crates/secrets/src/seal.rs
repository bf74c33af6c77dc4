//! Bytes that only the holder of a key can read or change: XChaCha20-Poly1305, each with a random nonce before it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Problem, Value};

/// A key; cleared when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Bytes of a nonce: long enough to draw each by chance.
const NONCE: usize = 24;

/// A nonce and what was sealed with it, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sealed(String);

/// What a sealed text is for. It is authenticated: one cannot stand in another's place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// Tells a wrong key from a damaged secret.
    Check,
    /// The data key of the secret of this name.
    DataKey(&'a str),
    /// The value of the secret of this name.
    Value(&'a str),
}

impl Purpose<'_> {
    fn text(self) -> String {
        match self {
            Self::Check => "lockgate-secrets/1/check".to_owned(),
            Self::DataKey(name) => format!("lockgate-secrets/1/data-key/{name}"),
            Self::Value(name) => format!("lockgate-secrets/1/value/{name}"),
        }
    }
}

/// A new key.
pub(crate) fn new_key() -> Result<Key, Problem> {
    let mut key = Key::default();
    getrandom::fill(key.as_mut_slice()).map_err(|_| Problem::Random)?;
    Ok(key)
}

impl Sealed {
    /// Seals `plain` with `key` for one purpose.
    pub(crate) fn new(key: &Key, purpose: Purpose<'_>, plain: &[u8]) -> Result<Self, Problem> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| Problem::Random)?;
        let purpose = purpose.text();
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        // It fails for texts of more than 256 GiB only.
        let sealed = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| Problem::Length)?;
        Ok(Self(STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    /// What was sealed; `None` when it was not sealed with this key for this purpose.
    pub(crate) fn open(&self, key: &Key, purpose: Purpose<'_>) -> Option<Value> {
        let bytes = STANDARD.decode(&self.0).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let purpose = purpose.text();
        let payload = Payload { msg: sealed, aad: purpose.as_bytes() };
        cipher(key).decrypt(&XNonce::from(*nonce), payload).ok().map(Value::new)
    }

    /// A sealed key.
    pub(crate) fn open_key(&self, key: &Key, purpose: Purpose<'_>) -> Option<Key> {
        let plain = self.open(key, purpose)?;
        Some(Key::new(plain.as_slice().try_into().ok()?))
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.as_slice().try_into().expect("a key has the cipher's length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let (key, other) = (new_key().expect("random"), new_key().expect("random"));
        let sealed = Sealed::new(&key, Purpose::Value("a"), b"plain").expect("it is short");
        assert_eq!(sealed.open(&key, Purpose::Value("a")).expect("it opens").as_slice(), b"plain");
        assert!(sealed.open(&other, Purpose::Value("a")).is_none());
        for purpose in [Purpose::Value("b"), Purpose::DataKey("a"), Purpose::Check] {
            assert!(sealed.open(&key, purpose).is_none(), "{purpose:?}");
        }
    }

    #[test]
    fn a_flipped_bit_a_cut_or_anything_else_does_not_open() {
        let key = new_key().expect("random");
        let sealed = Sealed::new(&key, Purpose::Check, b"plain").expect("it is short");
        let bytes = STANDARD.decode(&sealed.0).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Sealed(STANDARD.encode(changed)).open(&key, Purpose::Check).is_none(), "byte {at}");
            let cut = STANDARD.encode(&bytes[..at]);
            assert!(Sealed(cut).open(&key, Purpose::Check).is_none(), "cut at {at}");
        }
        assert!(Sealed("no base64!".to_owned()).open(&key, Purpose::Check).is_none());
    }
}

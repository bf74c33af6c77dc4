//! A certificate for `localhost` from an authority of its own.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// A certificate for `localhost` and 127.0.0.1, and the authority that signed it.
#[derive(Debug)]
pub struct Certificate {
    /// The authority's certificate in PEM: what clients must trust.
    pub authority: String,
    /// The certificate in PEM.
    pub certificate: String,
    /// Its private key in PEM.
    pub key: String,
    pub(crate) server: Arc<ServerConfig>,
}

impl Certificate {
    /// A new certificate.
    ///
    /// # Panics
    /// When none can be made.
    pub fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names to refuse");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("a certificate");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("good names");
        let signed = params.signed_by(&key, &authority).expect("a certificate");
        let server = Arc::new(config(signed.der().clone(), &key));
        Self { authority: authority.pem(), certificate: signed.pem(), key: key.serialize_pem(), server }
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was just made");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together")
}

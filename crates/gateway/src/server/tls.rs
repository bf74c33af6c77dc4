//! What the listener proves itself with.

use lockgate_config::Tls;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// TLS 1.2 and 1.3 with this certificate, for HTTP/1.1.
///
/// # Errors
/// A text for the operator when the certificate and its key cannot be served together.
pub(crate) fn tls(tls: &Tls) -> Result<Arc<ServerConfig>, String> {
    let certificates = CertificateDer::pem_slice_iter(&tls.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("server.tls.certificate is not a PEM file: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose().as_bytes())
        .map_err(|_| "server.tls.key holds no private key in PEM".to_owned())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                "server.tls: the key does not belong to the certificate".to_owned()
            }
            error => format!("server.tls: {error}"),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

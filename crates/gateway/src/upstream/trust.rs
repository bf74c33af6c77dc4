//! Whom TLS connections to providers trust.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Mozilla's roots, compiled in so that an empty container works, and the operator's own bundle.
///
/// # Errors
/// A text for the operator when the bundle holds no usable certificate.
pub(crate) fn trust(own_bundle: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = own_bundle {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("server.egress.ca_bundle is not a PEM file: {error}"))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err("server.egress.ca_bundle holds no usable certificate".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        assert!(trust(None).is_ok());
        assert!(trust(Some(b"hello")).is_err());
    }
}

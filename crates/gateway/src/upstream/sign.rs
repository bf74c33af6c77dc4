//! Signatures of AWS (Signature Version 4): the last step before a request is sent, over the bytes that are sent.

use super::Segments;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use lockgate_config::Signing;
use lockgate_dialects::canonical::{Class, Failure};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::time::SystemTime;

/// What signs the requests to a service.
pub(crate) struct Signer {
    config: Signing,
    credentials: Credentials,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, {})", self.config.service, self.config.region)
    }
}

impl Signer {
    pub(crate) fn of(config: &Signing) -> Self {
        let token = config.session_token.as_ref().map(|token| token.expose().to_owned());
        let (id, key) = (config.access_key_id.expose(), config.secret_access_key.expose());
        let credentials = Credentials::new(id, key, token, None, "config");
        Self { config: config.clone(), credentials }
    }

    /// What nobody may be told, though a provider repeats it.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let config = &self.config;
        let all =
            [Some(&config.access_key_id), Some(&config.secret_access_key), config.session_token.as_ref()];
        all.into_iter().flatten().map(lockgate_config::Secret::expose)
    }

    /// Adds the headers that sign a request to `origin`, which is scheme, host and port.
    ///
    /// # Errors
    /// [`Class::Internal`] when it cannot be signed.
    pub(crate) fn sign(
        &self,
        request: &mut Request<Segments>,
        origin: &str,
        now: SystemTime,
    ) -> Result<(), Failure> {
        let url = format!("{origin}{}", request.uri());
        let identity = self.credentials.clone().into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.config.region)
            .name(&self.config.service)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let headers = content_type.map(|value| (CONTENT_TYPE.as_str(), value)).into_iter();
        let body = SignableBody::Precomputed(hash(request.body()));
        let signable = SignableRequest::new(request.method().as_str(), url, headers, body)
            .map_err(|error| unsigned(&error))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| unsigned(&error))?.into_parts();
        let (signed, _) = instructions.into_parts();
        for header in signed {
            let mut value = HeaderValue::try_from(header.value()).map_err(|error| unsigned(&error))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header.name(), value);
        }
        Ok(())
    }
}

/// The errors of signing tell of no credential, but of the place where it went wrong.
fn unsigned(error: &dyn std::error::Error) -> Failure {
    Failure::new(Class::Internal, format!("The request could not be signed: {error}"))
}

/// SHA-256 in hexadecimal digits.
fn hash(body: &Segments) -> String {
    let mut hash = Sha256::new();
    body.pieces().for_each(|piece| hash.update(piece));
    hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::Uri;
    use lockgate_config::Secret;
    use std::time::{Duration, UNIX_EPOCH};

    fn signer(token: Option<&str>) -> Signer {
        Signer::of(&Signing {
            service: "bedrock".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::new("AKIDEXAMPLE"),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::new),
        })
    }

    fn signed(token: Option<&str>) -> Request<Segments> {
        let pieces = vec![Bytes::from_static(b"{\"messages\""), Bytes::from_static(b":[]}")];
        let mut request = Request::new(Segments::from(pieces));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = Uri::from_static("/model/us.anthropic.claude-v1%3A0/converse");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let origin = "https://bedrock-runtime.us-east-1.amazonaws.com";
        signer(token).sign(&mut request, origin, now).expect("it can be signed");
        request
    }

    fn header<'a>(request: &'a Request<Segments>, name: &str) -> &'a str {
        request.headers().get(name).expect("the header is set").to_str().expect("text")
    }

    /// botocore's `SigV4Auth` gives the same for the same request.
    #[test]
    fn a_request_is_signed_as_awss_own_client_signs_it() {
        let request = signed(None);
        assert_eq!(header(&request, "x-amz-date"), "20270115T080000Z");
        assert_eq!(
            header(&request, "x-amz-content-sha256"),
            "5e4ce7b36ba37b78a5d5f9fd08e6b7b54ba6879d651aa46ec9e1d6fa24ebe30a"
        );
        assert_eq!(
            header(&request, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, \
             Signature=6289429c64925b3a5309f853ed647a17e6400872a591d3516f7ac82a2bec81db"
        );
        assert!(request.headers().get("x-amz-security-token").is_none());
    }

    #[test]
    fn the_token_of_keys_that_are_good_for_a_while_goes_along_and_is_signed() {
        let request = signed(Some("the-session-token"));
        assert_eq!(header(&request, "x-amz-security-token"), "the-session-token");
        assert!(header(&request, "authorization").contains("x-amz-security-token"));
        assert!(request.headers().get("authorization").expect("it is set").is_sensitive());
    }

    #[test]
    fn no_credential_shows_in_debug() {
        let shown = format!("{:?}", signer(Some("the-session-token")));
        assert_eq!(shown, "Signer(bedrock, us-east-1)");
        assert_eq!(signer(Some("the-session-token")).secrets().count(), 3);
    }
}

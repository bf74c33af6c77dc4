//! A credential is never shown, wherever it was put and whatever is wrong around it.

use lockgate_config::{Command, Options, Sources};

use crate::{World, chat, endpoint, openai};

const CANARY: &str = "canary7f3a";

struct Canaries;

impl Sources for Canaries {
    fn env(&self, name: &str) -> Option<String> {
        (name == "KEY").then(|| format!("env-{CANARY}"))
    }

    fn file(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        match path {
            "key.txt" => Ok(Some(format!("file-{CANARY}").into_bytes())),
            "bad.txt" => Ok(Some(format!("file-{CANARY}\nmore\u{1}").into_bytes())),
            "raw.txt" => Ok(Some([CANARY.as_bytes(), &[0xff]].concat())),
            "locked.txt" => Err(std::io::ErrorKind::PermissionDenied.into()),
            _ => World::usual().file(path),
        }
    }

    fn command(&self, command: &Command) -> std::io::Result<Vec<u8>> {
        match command.argv[0].as_str() {
            "fails" => Err(std::io::Error::other("exit status 1")),
            "long" => Ok(CANARY.repeat(10_000).into_bytes()),
            "raw" => Ok([CANARY.as_bytes(), &[0xff]].concat()),
            _ => Ok(format!("command-{CANARY}\n").into_bytes()),
        }
    }

    fn secret(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        match name {
            "raw" => Ok(Some([CANARY.as_bytes(), &[0xff]].concat())),
            "locked" => Err(std::io::Error::other("the store is locked")),
            _ => Ok((name == "stored").then(|| format!("secret-{CANARY}").into_bytes())),
        }
    }
}

/// Everything that is ever said about a text.
fn said(text: &str) -> String {
    let mut said = String::new();
    for strict in [false, true] {
        match lockgate_config::check(text, "c.yaml", &Canaries, Options { strict }) {
            Ok(config) => {
                said += &format!("{config:?}\n");
                said.extend(config.warnings.iter().map(|warning| format!("{warning}\n")));
            }
            Err(mistakes) => said += &format!("{mistakes}\n{mistakes:?}\n"),
        }
    }
    said
}

#[test]
fn a_credential_shows_in_no_mistake_no_warning_and_no_debug_output() {
    let texts = [
        openai("{openai_api_key: canary7f3a}"),
        openai("{openai_api_key: $KEY, wrong: 1}"),
        openai("{openai_api_key: key.txt, wrong: 1}"),
        openai("{openai_api_key: {file: key.txt}, wrong: 1}"),
        openai("{openai_api_key: bad.txt, wrong: 1}"),
        openai("{openai_api_key: raw.txt}"),
        openai("{openai_api_key: canary7f3a, openai_api_type: foo}"),
        openai("{openai_api_kye: canary7f3a}"),
        openai("{openai_api_key: {command: [print, canary7f3a]}, wrong: 1}"),
        openai("{openai_api_key: {command: [fails, canary7f3a]}}"),
        openai("{openai_api_key: {command: [long, canary7f3a]}}"),
        openai("{openai_api_key: {command: [raw, canary7f3a]}}"),
        openai("{openai_api_key: {command: canary7f3a}}"),
        openai("{openai_api_key: {command: [[canary7f3a]]}}"),
        openai("{openai_api_key: {command: [a], canary7f3a: 1, ttl: canary7f3a, timeout: 5}}"),
        openai("{openai_api_key: {secret: stored}, wrong: 1}"),
        openai("{openai_api_key: {secret: raw}}"),
        openai("{openai_api_key: {secret: locked}}"),
        openai("{openai_api_key: {secret: canary7f3a-1234567}}"),
        openai("{openai_api_key: {credential: canary7f3a-1234567}}"),
        openai("{openai_api_key: [{env: KEY}, {secret: stored}, {file: key.txt}], wrong: 1}"),
        openai("{openai_api_key: [{env: KEY}, canary7f3a]}"),
        openai("{openai_api_key: [{env: KEY}, {canary7f3a: canary7f3a}]}"),
        format!(
            "credentials: {{path: canary7f3a, name: canary7f3a, file: [canary7f3a]}}\n{}",
            openai("{x: y}")
        ),
        format!("credentials: {{a: {{env: KEY}}, sk-canary7f3a: {{env: KEY}}}}\n{}", openai("{x: y}")),
        format!("credentials: {{a: {{canary7f3a: 5}}, b: {{name: canary7f3a}}}}\n{}", openai("{x: y}")),
        format!("credentials: canary7f3a\n{}", openai("{x: y}")),
        format!("credentials: [canary7f3a]\n{}", openai("{openai_api_key: {credential: a}, wrong: 1}")),
        openai("{openai_api_key: [canary7f3a]}"),
        openai("{openai_api_key: {canary7f3a: canary7f3a}}"),
        openai("{openai_api_key: $sk-canary7f3a}"),
        openai("{openai_api_key: \"canary7f3a\\x01\", wrong: 1}"),
        openai("{openai_api_key canary7f3a}"),
        openai("{sk-live-canary7f3a}"),
        openai("canary7f3a"),
        openai("[canary7f3a, x]"),
        openai("{openai_api_key: k, openai_api_base: 'https://user:canary7f3a@h/v1', wrong: 1}"),
        openai("{openai_api_key: k, openai_api_base: 'https://h/v1?key=canary7f3a', wrong: 1}"),
        openai("{openai_api_key: k, openai_api_base: canary7f3a}"),
        openai("{openai_api_key: k, openai_organization: canary7f3a, wrong: 1}"),
        chat("{provider: bedrock, config: {aws_config: {aws_secret_access_key: canary7f3a, aws_region: 5}}}"),
        chat("{provider: bedrock, config: {aws_config: {aws_secret_acces_key: canary7f3a}}}"),
        chat("{provider: palm, config: {palm_api_key: canary7f3a, wrong: 1}}"),
        chat("{provider: foo, config: {foo_api_key: canary7f3a}}"),
        chat("{provider: mosaicml, name: mpt, config: {mosaicml_api_key: canary7f3a}}"),
        format!("x: &k canary7f3a\n{}", openai("{openai_api_key: *k, wrong: 1}")),
        endpoint("    headers: {x-secret: canary7f3a, wrong header: canary7f3a}\n"),
        endpoint("    headers: {x-secret: \"canary7f3a\\n\"}\n"),
        endpoint("    headers: {x-secret: {env: KEY}, host: canary7f3a}\n"),
        endpoint("server: {egress: {proxy: 'http://user:canary7f3a@proxy:3128'}}\nwrong: 1\n"),
        endpoint("server: {egress: {proxy: 'socks://user:canary7f3a@proxy:3128'}}\n"),
        endpoint("api_key: canary7f3a\n"),
        endpoint("    api_key: |\n      canary7f3a\n      more\n"),
        "routes:\n  - name: a\n    model:\n      config:\n        openai_api_key: \"canary7f3a\n".to_owned(),
        "routes:\n  - name: a\n    model:\n      config:\n        openai_api_key: canary7f3a: b\n".to_owned(),
        "routes:\n  - name: a\n    model:\n      config:\n       openai_api_key canary7f3a\n      x: y\n"
            .to_owned(),
        "routes:\n  - name: a\n\t  openai_api_key: canary7f3a\n".to_owned(),
        "routes: [{config: {openai_api_key: canary7f3a]\n".to_owned(),
        "canary7f3a\n".to_owned(),
        "- canary7f3a\n".to_owned(),
    ];
    for text in texts {
        let said = said(&text);
        assert!(!said.contains(CANARY), "{text}\n{said}");
    }
}

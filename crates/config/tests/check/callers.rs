//! Who may come in: what a config says of callers, admins and the listener.

use lockgate_config::{KeyHash, Listen, Service};

use crate::{chat, check, check_strictly};

fn hash(key: &str) -> String {
    KeyHash::of(key.as_bytes()).to_string()
}

/// A file with one route and these lines.
fn with(lines: &str) -> String {
    format!("{}{lines}", chat("{provider: demo}"))
}

#[track_caller]
fn refused(lines: &str, message: &str) -> String {
    let mistakes = check(&with(lines)).expect_err(lines).to_string();
    assert!(mistakes.contains(message), "{lines}\n{mistakes}");
    mistakes
}

#[test]
fn callers_are_read_with_their_keys_routes_and_ends() {
    let (one, two, three) = (hash("1"), hash("2"), hash("3"));
    let text = with(&format!(
        "callers:
  - {{name: alice@example.com, key: {one}}}
  - name: batch
    key: {two}
    keys: [{three}]
    routes: [\"b*\", a]
    expires: 2027-06-30
"
    ));
    let config = check_strictly(&text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let [alice, batch] = config.callers.as_slice() else { panic!("{:?}", config.callers) };
    assert_eq!((alice.name.as_str(), alice.expires), ("alice@example.com", None));
    assert_eq!(alice.keys, [KeyHash::of(b"1")]);
    assert!(alice.may_call("a") && alice.may_call("anything"));
    assert_eq!(batch.keys, [KeyHash::of(b"2"), KeyHash::of(b"3")]);
    assert!(batch.may_call("a") && batch.may_call("bb") && !batch.may_call("ab"));
    assert_eq!(batch.expires, Some(1_814_400_000));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_key_that_is_no_hash_is_refused_with_the_fix_and_never_shown() {
    for lines in [
        "callers: [{name: a, key: lg-canary-0123456789}]",
        "callers: [{name: a, keys: [lg-canary-0123456789]}]",
        "callers: [{name: a, key: \"sha256:canary\"}]",
        "admin: {key: lg-canary-0123456789}",
        "admin: {keys: [lg-canary-0123456789]}",
    ] {
        let told = refused(lines, "This is not the hash of a key");
        assert!(told.contains("lockgate keys hash") && !told.contains("canary"), "{told}");
    }
}

#[test]
fn a_section_that_would_open_more_or_less_than_it_seems_is_refused() {
    let one = hash("1");
    refused("callers:\n", "'callers' names nobody");
    refused("callers: []\n", "'callers' names nobody");
    refused("callers: [{name: a}]\n", "callers.0.key: Field required");
    refused("callers: [{name: a, key: }]\n", "The hash of a key is missing here");
    refused("callers: [{name: a, keys: []}]\n", "The hash of a key is missing here");
    refused(&format!("callers: [{{key: {one}}}]\n"), "callers.0.name: Field required");
    refused(&format!("callers: [{{name: a b, key: {one}}}]\n"), "Input should be letters");
    refused(&format!("callers: [{{name: admin, key: {one}}}]\n"), "This name is what logs call");
    refused(&format!("callers: [{{name: a, key: {one}, routes: []}}]\n"), "An empty list opens no route");
    refused(&format!("callers: [{{name: a, key: {one}, routes: [\"[a\"]}}]\n"), "a name or a pattern");
    refused(&format!("callers: [{{name: a, key: {one}, expires: soon}}]\n"), "Input should be a date");
    refused("admin:\n", "'admin' has neither a key nor an address");
    refused("admin: {}\n", "'admin' has neither a key nor an address");
    let twice = format!("callers: [{{name: a, key: {one}}}, {{name: b, key: {one}}}]\n");
    refused(&twice, "The same key stands twice");
    refused(
        &format!("callers: [{{name: a, key: {one}}}]\nadmin: {{key: {one}}}\n"),
        "The same key stands twice",
    );
    let two = hash("2");
    refused(
        &format!("callers: [{{name: a, key: {one}}}, {{name: a, key: {two}}}]\n"),
        "Another caller has this name",
    );
}

#[test]
fn a_caller_whose_routes_are_misspelt_is_warned_of() {
    let text = with(&format!("callers: [{{name: b, key: {}, routes: [chatt]}}]\n", hash("1")));
    let config = check(&text).unwrap();
    assert!(config.warnings[0].message.contains("The caller 'b' may call no route of this file"));
}

#[test]
fn an_admin_has_keys_or_an_address_or_both() {
    let listen = |address: &str| {
        let config = check(&with(&format!("admin: {{listen: \"{address}\"}}\n"))).unwrap();
        config.admin.and_then(|admin| admin.listen)
    };
    assert_eq!(listen("127.0.0.1:5001"), Some(Listen { host: "127.0.0.1".to_owned(), port: 5001 }));
    assert_eq!(listen("[::1]:0"), Some(Listen { host: "::1".to_owned(), port: 0 }));
    for wrong in ["5001", ":5001", "127.0.0.1", "::1:5001", "h:99999", "h/x:1"] {
        refused(&format!("admin: {{listen: \"{wrong}\"}}\n"), "an address and a port");
    }
    let config = check(&with(&format!("admin: {{key: {}, keys: [{}]}}\n", hash("1"), hash("2")))).unwrap();
    assert_eq!(config.admin.expect("it is there").keys.len(), 2);
}

#[test]
fn who_reaches_the_listener_is_read_from_networks_and_origins() {
    let text = with(
        "server:
  allow: [10.0.0.0/8, \"::1\", 192.0.2.7]
  trusted_proxies: [172.16.0.0/12]
  cors: {origins: [\"https://App.example:8443\", \"http://localhost:3000\"]}
",
    );
    let server = check_strictly(&text).unwrap().server;
    let allow: Vec<_> = server.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]);
    assert_eq!(server.trusted_proxies.len(), 1);
    assert_eq!(server.origins, ["https://app.example:8443", "http://localhost:3000"]);
    refused("server: {allow: []}\n", "'allow' lets nobody in");
    refused("server: {allow: [10.0.0.0/33]}\n", "an address or a network");
    refused("server: {trusted_proxies: [proxy.example]}\n", "an address or a network");
    refused("server: {cors: {}}\n", "'cors' has no 'origins'");
    for origin in ["app.example", "https://app.example/", "ftp://x", "https://", "null"] {
        refused(&format!("server: {{cors: {{origins: [\"{origin}\"]}}}}\n"), "an origin such as");
    }
}

#[test]
fn a_certificate_that_cannot_be_one_is_refused_before_the_start() {
    refused("server: {tls: }\n", "'tls' has no 'certificate'");
    refused("server: {tls: {certificate: key.txt}}\n", "'tls' has no 'key'");
    refused("server: {tls: {certificate: none.pem, key: key.txt}}\n", "The file 'none.pem' does not exist");
    refused("server: {tls: {certificate: locked.txt, key: key.txt}}\n", "cannot be read");
    let told =
        refused("server: {tls: {certificate: key.txt, key: key.txt}}\n", "holds no certificate in PEM");
    assert!(told.contains("holds no private key in PEM") && !told.contains("sk-file"), "{told}");
}

#[test]
fn callers_that_bring_their_own_credential_need_none_in_the_config() {
    let route = |provider: &str, config: &str| {
        format!(
            "routes:
  - name: a
    route_type: llm/v1/chat
    credentials: caller
    model: {{provider: {provider}, name: m{config}}}
"
        )
    };
    let brought = |provider: &str, config: &str| -> Vec<String> {
        let config = check_strictly(&route(provider, config)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        match &config.routes[0].targets[0].target.service {
            Service::Http(service) => {
                let sets = service.header_sets.iter().flatten();
                assert!(sets.into_iter().all(|header| !header.credential), "{provider}");
                service.brought.clone()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(brought("openai", ""), ["authorization"]);
    assert_eq!(brought("openai", ", config: {openai_organization: o}"), ["authorization"]);
    assert_eq!(brought("anthropic", ""), ["x-api-key"]);
    let azure = ", config: {openai_api_type: azure, openai_api_base: \"https://a\", openai_deployment_name: d, openai_api_version: v}";
    assert_eq!(brought("openai", azure), ["api-key"]);
    let config = check(&route("openai", ", config: {openai_api_key: k}")).unwrap();
    assert!(config.warnings[0].message.contains("'openai_api_key' is not used"), "{:?}", config.warnings);
    let refused = check(&route("demo", "")).expect_err("it takes no credential").to_string();
    assert!(refused.contains("This provider takes no credential in a header"), "{refused}");
    let refused = check(&route("openai", "").replace("caller", "mine")).expect_err("no such word");
    assert!(refused.to_string().contains("caller"), "{refused}");
}

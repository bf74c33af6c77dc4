//! Where run-time routes are kept: through restarts, crashes, neighbours and damage.

use crate::*;
use lockgate_testkit::Signal;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_was_answered_is_there_after_a_crash() {
    let place = Place::new();
    let config = open_config("");
    for round in 0..5 {
        let mut gateway = place.start(&config);
        assert_eq!(made(&gateway).len(), round, "what was made before serves");
        make(&gateway, &demo(&format!("r{round}")));
        gateway.signal(Signal::SIGKILL);
        gateway.ended();
    }
    let mode = |path: PathBuf| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(place.file()), mode(place.state())), (0o600, 0o700));
    let gateway = place.start(&config);
    assert_eq!(call(&gateway, "r0").status, 200);
    assert_eq!(
        std::fs::read_dir(place.state()).expect("the directory").count(),
        1,
        "nothing else is left there"
    );
}

#[test]
fn changes_at_the_same_time_lose_none_also_of_two_gateways_with_one_directory() {
    let place = Place::new();
    let gateways = [(); 2].map(|()| place.start(&open_config("")));
    std::thread::scope(|scope| {
        for n in 0..24 {
            let gateway = &gateways[n % 2];
            scope.spawn(move || make(gateway, &demo(&format!("r{n}"))));
        }
    });
    let mut expected: Vec<_> = (0..24).map(|n| format!("r{n}")).collect();
    expected.sort();
    for gateway in &gateways {
        until("each has what the other made", || {
            let mut names = made(gateway);
            names.sort();
            (names == expected).then_some(())
        });
    }
    let hash = |gateway: &Gateway| status(gateway)["config_hash"].clone();
    until("they agree", || (hash(&gateways[0]) == hash(&gateways[1])).then_some(()));
    assert_eq!(admin(&gateways[0].client, "DELETE", &format!("{ROUTES}r3"), &json!(null)).status, 200);
    until("the other one has heard of it", || (call(&gateways[1], "r3").status == 404).then_some(()));
}

/// Texts that are no state file.
const DAMAGED: [&str; 6] = [
    "",
    "routes: [\n",
    "routes:\n  - name: a\n    model: {provider: \u{1}\n",
    "- name: a\n",
    "routes:\n  - route_type: llm/v1/chat\n",
    "routes: []\nproviders: [{name: own, base: \"http://127.0.0.1\"}]\n",
];

#[test]
fn a_damaged_file_is_told_and_left_alone_while_the_config_serves() {
    for text in DAMAGED {
        let place = Place::new();
        place.damage(text);
        let gateway = place.start(&open_config(""));
        assert_eq!(call(&gateway, "filed").status, 200);
        let line = gateway.log.wait("that it is damaged", |line| line["level"] == "ERROR");
        let message = line["message"].as_str().unwrap_or_default();
        assert!(message.contains("routes.yaml:") && message.contains('^'), "line and caret: {message}");
        for (method, path) in [("POST", ROUTES.to_owned()), ("DELETE", format!("{ROUTES}a"))] {
            let (status, detail) = told(&gateway.client, method, &path, &demo("b"));
            assert!(status == 503 && detail.contains("routes.yaml:"), "{text:?}: {status} {detail}");
        }
        assert!(
            status(&gateway)["run_time"]["damaged"].as_str().is_some_and(|why| why.contains("routes.yaml:"))
        );
        let page = with_key(gateway.get("/status"), ADMIN).send().text();
        assert!(page.contains("is damaged"), "{page}");
        assert_eq!(place.text(), text);
        std::fs::remove_file(place.file()).expect("it is there");
        until("it is mended", || status(&gateway)["run_time"]["damaged"].is_null().then_some(()));
        make(&gateway, &demo("b"));
    }
}

#[test]
fn damage_while_it_runs_takes_nothing_away() {
    let (gateway, place) = setting();
    make(&gateway, &demo("made"));
    let good = place.text();
    place.damage(&good.replace("routes:", "routes: ["));
    until("it is told", || status(&gateway)["run_time"]["damaged"].is_string().then_some(()));
    assert_eq!((call(&gateway, "made").status, call(&gateway, "filed").status), (200, 200));
    reload(&gateway, &open_config("").replace("filed", "moved"));
    assert_eq!((call(&gateway, "made").status, call(&gateway, "moved").status), (200, 200));
    assert_eq!(told(&gateway.client, "POST", ROUTES, &demo("b")).0, 503);
    place.damage(&good.replace("made", "mended"));
    until("it is mended", || (made(&gateway) == ["mended"]).then_some(()));
    make(&gateway, &demo("b"));
}

#[test]
fn one_route_that_is_wrong_is_set_aside_and_the_others_serve() {
    let place = Place::new();
    let route = |name: &str, provider: &str| {
        format!(
            "  - name: {name}\n    route_type: llm/v1/chat\n    model: {{provider: {provider}, name: x}}\n"
        )
    };
    place.damage(&format!("routes:\n{}{}", route("odd", "opneai"), route("good", "demo")));
    let gateway = place.start(&open_config(""));
    assert_eq!((call(&gateway, "good").status, call(&gateway, "odd").status), (200, 404));
    let refused = status(&gateway)["run_time"]["refused"][0].clone();
    assert_eq!(refused["name"], "odd");
    assert!(
        refused["reason"]
            .as_str()
            .is_some_and(|why| why.contains("routes.yaml:4:") && why.contains("did you mean"))
    );
    make(&gateway, &demo("more"));
    assert!(place.text().contains("opneai"), "what does not serve is kept");
    assert_eq!(admin(&gateway.client, "PUT", &format!("{ROUTES}odd"), &demo("odd")).status, 200);
    assert_eq!(call(&gateway, "odd").status, 200);
}

#[test]
fn a_route_whose_credential_goes_is_set_aside_until_it_is_back() {
    let place = Place::new();
    let with = open_config("credentials: {main: sk-main}\n");
    let gateway = place.start(&with);
    make(&gateway, &openai("main", &json!({"openai_api_key": {"credential": "main"}})));
    make(&gateway, &demo("other"));
    reload(&gateway, &open_config(""));
    assert_eq!(made(&gateway), ["other"]);
    let reason = status(&gateway)["run_time"]["refused"][0]["reason"].clone();
    assert!(reason.as_str().is_some_and(|why| why.contains("'main' is not defined")), "{reason}");
    gateway.log.wait("a warning", |line| line["level"] == "WARN" && line["route"] == "main");
    reload(&gateway, &with);
    assert_eq!(made(&gateway), ["main", "other"]);
}

#[test]
fn a_directory_that_is_gone_takes_no_route_away() {
    let (gateway, place) = setting();
    make(&gateway, &demo("made"));
    let aside = place.0.path().join("aside");
    std::fs::rename(place.state(), &aside).expect("it is ours");
    reload(&gateway, &open_config("").replace("filed", "moved"));
    assert_eq!(call(&gateway, "made").status, 200);
    assert!(status(&gateway)["run_time"]["damaged"].is_string());
    assert_eq!(told(&gateway.client, "POST", ROUTES, &demo("b")).0, 503);
    std::fs::rename(aside, place.state()).expect("it is ours");
    reload(&gateway, &open_config(""));
    make(&gateway, &demo("b"));
    assert_eq!(made(&gateway), ["made", "b"]);
}

#[test]
fn a_name_that_the_config_takes_later_is_the_configs() {
    let (gateway, place) = setting();
    make(&gateway, &demo("made"));
    let taking = open_config("").replace("  - name: filed", "  - name: made\n    endpoint_type: llm/v1/embeddings\n    model: {provider: demo, name: e}\n  - name: filed");
    reload(&gateway, &taking);
    assert_eq!(status(&gateway)["run_time"]["shadowed"], json!(["made"]));
    assert_eq!(gateway.get(&format!("{ENDPOINTS}made")).send().json()["endpoint_type"], "llm/v1/embeddings");
    gateway.log.wait("a warning", |line| line["level"] == "WARN" && line["route"] == "made");
    assert_eq!(told(&gateway.client, "PUT", &format!("{ROUTES}made"), &demo("made")).0, 409);
    drop(gateway);
    let gateway = place.start(&taking);
    assert_eq!(status(&gateway)["run_time"]["shadowed"], json!(["made"]), "a start is not refused for it");
    reload(&gateway, &open_config(""));
    assert_eq!((call(&gateway, "made").status, made(&gateway)), (200, vec!["made".to_owned()]));
    reload(&gateway, &taking);
    assert_eq!(told(&gateway.client, "DELETE", &format!("{ROUTES}made"), &json!(null)).0, 200);
    assert_eq!(gateway.get(&format!("{ENDPOINTS}made")).send().status, 200, "the config's own goes on");
    assert!(!place.text().contains("made\""));
}

#[test]
fn nothing_is_changed_beside_a_config_that_is_refused() {
    let (gateway, place) = setting();
    make(&gateway, &demo("made"));
    let before = place.text();
    gateway.refuses(|files| files.rename("endpoints: 5\n"));
    let (status, detail) = told(&gateway.client, "POST", ROUTES, &demo("b"));
    assert!(status == 409 && detail.contains("config file is refused"), "{status} {detail}");
    assert_eq!((call(&gateway, "made").status, place.text()), (200, before));
    let mended = open_config("").replace("name: demo", "name: d2");
    reload(&gateway, &mended);
    make(&gateway, &demo("b"));
}

#[test]
fn a_directory_that_cannot_be_is_told_at_the_start() {
    let place = Place::new();
    std::fs::write(place.state(), "a file").expect("a file");
    let config = place.0.path().join("c.yaml");
    std::fs::write(&config, open_config("")).expect("a file");
    let mut command = std::process::Command::new(BINARY);
    let ended = command
        .arg("start")
        .arg("--config-path")
        .arg(&config)
        .env("LOCKGATE_STATE_DIR", place.state())
        .output();
    let ended = ended.expect("the built command starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(2) && said.contains("'--state-dir'"), "{said}");
}

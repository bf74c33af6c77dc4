"""Every claim of docs/security.md is held by a test, and the test that it names exists."""

import re

from lockgate_process import ROOT

TEXT = (ROOT / "docs/security.md").read_text()
TABLE = TEXT.split("## What holds", 1)[1].split("\n## ", 1)[0]
ROWS = [row for row in TABLE.splitlines() if row.startswith("| ")][2:]


def named_in(row):
    return re.findall(r"`([\w./-]+)::(\w+)`", row.rsplit("|", 2)[1])


def test_each_claim_names_a_test():
    assert len(ROWS) > 20
    assert [row for row in ROWS if not named_in(row)] == []


def test_each_test_that_is_named_exists():
    missing = []
    for path, name in (test for row in ROWS for test in named_in(row)):
        file = ROOT / (path if "/" in path else f"crates/cli/tests/{path}.rs")
        text = file.read_text() if file.exists() else ""
        if not re.search(rf"#\[(?:tokio::)?test\]\s+(?:async )?fn {name}\(|^def {name}\(", text, re.M):
            missing.append(f"{path}::{name}")
    assert missing == []

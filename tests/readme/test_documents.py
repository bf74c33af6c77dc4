"""What README.md and docs/ show is true: every block is run, in order, against a real gateway.

A block's language says what is done with it:

- `sh`: run as it stands; it must succeed. `lockgate start` (also as `cargo run … -- start`) leaves a gateway running
  for the blocks below it.
- `console`: each line after `$ ` is run, and what follows must be printed; `...` stands for anything.
- `yaml`: a whole config that `lockgate check` must find good. `file=NAME` after the language also writes it to that
  name, for the blocks below it.
- `python`: run by an interpreter that has MLflow 2.22 and OpenAI's SDK.
- `json`: must be JSON.

Any other language is left alone, and so is a block marked `no-run` after its language. Ports are replaced by free
ones; each document has a folder of its own.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lockgate_process import BINARY, ROOT, TARGET, environment

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]+)(?P<words>[^\n`]*)\n(?P<text>.*?)^ *```$", re.M | re.S)
PORT = re.compile(r"((?:127\.0\.0\.1|localhost|\[::1\]):|--port[ =])(\d{2,5})")
BLOCK_SECONDS = 60


@dataclass
class Block:
    document: Path
    line: int
    language: str
    words: list
    text: str

    def name(self):
        return f"{self.document.relative_to(ROOT)}:{self.line}-{self.language}"


def blocks_of(document):
    text = document.read_text() if document.exists() else ""
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(document, line, fence["language"], fence["words"].split(), textwrap.dedent(fence["text"]))


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
LANGUAGES = {"sh", "bash", "console", "yaml", "yml", "python", "json"}
RUNNABLE = [block for block in BLOCKS if block.language in LANGUAGES and "no-run" not in block.words]

# Stands before the gateway: "start" comes back once the gateway answers, and takes the place of the one before.
LOCKGATE = """\
#!/usr/bin/env bash
set -eu
is_start=
for word in "$@"; do
    case $word in start | start-server) is_start=yes ;; --help | -h) is_start=; break ;; esac
done
[ "$is_start" ] || exec "{binary}" "$@"
port={port}
words=("$@")
for ((i = 0; i < ${{#words[@]}}; i++)); do
    case ${{words[i]}} in --port) port=${{words[i + 1]}} ;; --port=*) port=${{words[i]#--port=}} ;; esac
done
[ ! -e "{pid}" ] || kill "$(cat "{pid}")" 2> /dev/null || true
while curl -so /dev/null "http://127.0.0.1:$port/health"; do sleep 0.05; done
"{binary}" "$@" --port "$port" < /dev/null > "{log}" 2>&1 &
echo $! > "{pid}"
for _ in {{1..400}}; do
    if "{curl}" -so /dev/null "http://127.0.0.1:$port/health"; then exit 0; fi
    kill -0 $! 2> /dev/null || break
    sleep 0.05
done
cat "{log}" >&2
exit 1
"""

# The gateway is built already, and a test that runs all tests would never end.
CARGO = """\
#!/usr/bin/env bash
set -eu
case "$1 ${{2:-}}" in
    "run "*) while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done; shift; exec lockgate "$@" ;;
    "xtask "*) shift; exec "{xtask}" "$@" --list ;;
esac
echo "cargo $1 is not run here; mark the block no-run" >&2
exit 1
"""

# An error status is an error here.
CURL = """\
#!/bin/sh
case " $* " in *" --fail-with-body "*) fail= ;; *) fail=--fail ;; esac
exec "{curl}" $fail --show-error --max-time 30 "$@"
"""


@dataclass
class Stage:
    """Where a document's blocks are run."""

    folder: Path
    ports: dict = field(default_factory=dict)

    def prepare(self):
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        values = {
            "binary": BINARY,
            "curl": shutil.which("curl"),
            "xtask": TARGET / "debug/xtask",
            "port": self.port("5000"),
            "pid": self.folder / "gateway.pid",
            "log": self.folder / "gateway.log",
        }
        for name, script in (("lockgate", LOCKGATE), ("cargo", CARGO), ("curl", CURL)):
            (programs / name).write_text(script.format(**values))
            (programs / name).chmod(0o755)
        for build in ("release", "debug"):
            place = self.folder / "target" / build
            place.mkdir(parents=True)
            (place / "lockgate").symlink_to(programs / "lockgate")
        if (ROOT / "examples").exists():
            (self.folder / "examples").symlink_to(ROOT / "examples")
        return self

    def port(self, written):
        """The free port that stands for a written one."""
        if written not in self.ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[written] = str(free.getsockname()[1])
        return self.ports[written]

    def own(self, text):
        """The text with the ports that it has here."""
        return PORT.sub(lambda found: found[1] + self.port(found[2]), text)

    def run(self, words, **more):
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment(PATH=path, **more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
        )
        log = self.folder / "gateway.log"
        logged = log.read_text() if log.exists() else "none"
        assert done.returncode == 0, (
            f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}\nThe gateway's log:\n{logged}"
        )
        return done.stdout

    def close(self):
        pid = self.folder / "gateway.pid"
        if pid.exists():
            subprocess.run(["kill", pid.read_text().strip()], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """A stage for each document, made when its first block comes."""
    made = {}

    def stage_of(document):
        if document not in made:
            made[document] = Stage(tmp_path_factory.mktemp(document.stem) / "here").prepare()
        return made[document]

    yield stage_of
    for stage in made.values():
        stage.close()


@pytest.mark.parametrize("block", RUNNABLE, ids=Block.name)
def test_what_a_document_shows_works(block, stages):
    stage = stages(block.document)
    text = stage.own(block.text)
    for word in block.words:
        if word.startswith("file="):
            (stage.folder / word.removeprefix("file=")).write_text(text)
    if block.language in ("sh", "bash"):
        stage.run(["bash", "-euo", "pipefail", "-c", text])
    elif block.language == "console":
        play(stage, text)
    elif block.language in ("yaml", "yml"):
        check(stage, text)
    elif block.language == "python":
        stage.run([sys.executable, "-c", text])
    else:
        json.loads(text)


def play(stage, text):
    """Runs the commands of a session and compares what they print."""
    for command, expected in re.findall(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", text, re.M):
        printed = stage.run(["bash", "-euo", "pipefail", "-c", command])
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in expected.split("..."))
        shown = " ".join(printed.split())
        assert re.fullmatch(r"\s*" + pattern.replace(".*", r"\s*.*\s*") + r"\s*", shown, re.S), (
            f"$ {command}\nprinted:\n{printed}\ninstead of:\n{expected}"
        )


def check(stage, text):
    """Checks a whole config, with every key that it takes from the environment."""
    config = stage.folder / "checked.yaml"
    config.write_text(text)
    named = re.findall(r"\$([A-Z][A-Z0-9_]*)|\{env: *([A-Z][A-Z0-9_]*)\}", text)
    keys = {one or other: "not-a-real-key" for one, other in named}
    stage.run(["lockgate", "check", str(config)], **keys)


def test_the_readme_shows_how_to_start_how_to_call_and_how_to_test():
    shown = "\n".join(block.text for block in BLOCKS if block.document.name == "README.md")
    for what in (r"(lockgate|cargo run).* start\b", r"\bcurl\b", r"\bcargo xtask test\b"):
        assert re.search(what, shown), f"README.md shows nothing like {what}"


def test_a_newcomers_first_blocks_are_among_those_that_are_run():
    run = "\n".join(block.text for block in RUNNABLE if block.document.name == "README.md")
    assert re.search(r"\bcurl\b", run), "the README's curl is marked no-run"
    assert re.search(r"(lockgate|cargo run).* start\b", run), "the README's first command is marked no-run"

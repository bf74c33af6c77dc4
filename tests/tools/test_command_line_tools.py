"""Command-line tools, unmodified, complete a task with a tool on a model of another API, given a base URL and a key."""

import os
import subprocess
from pathlib import Path

import keys
import pytest
import scripted
from lockgate_process import Gateway, environment

COMMANDS = Path(os.environ.get("LOCKGATE_NODE", "node_modules/.bin")).absolute()
SECONDS = 120
TASK = "Make a file called made.txt."
MAKE = "echo made > made.txt"
# What each tool calls the running of a command.
RUNS = {
    "Bash": {"command": MAKE, "description": "Makes a file"},
    "exec_command": {"cmd": MAKE},
    "run_shell_command": {"command": MAKE, "description": "Makes a file"},
}
CODEX = """model = "chat"
model_provider = "lockgate"
[model_providers.lockgate]
name = "lockgate"
base_url = "{url}/v1"
env_key = "LOCKGATE_TEST_KEY"
wire_api = "responses"
"""


@pytest.fixture
def provider():
    with scripted.Provider(RUNS) as provider:
        yield provider


@pytest.fixture
def gateway(tmp_path, provider):
    config = keys.guarded("endpoints", "endpoint_type")
    base = f"{{openai_api_key: k, openai_api_base: '{provider.url}/v1'}}"
    config = config.replace("{provider: demo, name: demo}", f"{{provider: openai, name: gpt-x, config: {base}}}")
    with Gateway(tmp_path / "gateway", config) as gateway:
        yield gateway


@pytest.fixture
def run(tmp_path):
    """Runs a tool in an empty folder and home, and returns what it printed."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*words, **variables):
        path = f"{COMMANDS}:{os.environ['PATH']}"
        variables = environment(PATH=path, HOME=str(tmp_path), NO_COLOR="1", **variables)
        done = subprocess.run(
            words,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "made.txt").read_text() == "made\n", done.stdout + done.stderr
        return done.stdout

    return run


def test_claude_code_works_on_a_model_that_is_not_claude(gateway, provider, run):
    told = run(
        *("claude", "--print", TASK, "--dangerously-skip-permissions"),
        ANTHROPIC_BASE_URL=gateway.url,
        ANTHROPIC_API_KEY=keys.KEY,
        ANTHROPIC_MODEL="chat",
        ANTHROPIC_SMALL_FAST_MODEL="chat",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        IS_SANDBOX="1",
    )
    assert scripted.WORD in told
    last = provider.requests[-1]["messages"]
    call = next(message for message in last if message.get("tool_calls"))
    assert call["content"] == "Let me see."
    assert any(message["role"] == "tool" and message["tool_call_id"] == "call_1" for message in last)


def test_codex_works_on_a_model_that_knows_no_responses(gateway, provider, run, tmp_path):
    home = tmp_path / ".codex"
    home.mkdir()
    (home / "config.toml").write_text(CODEX.format(url=gateway.url))
    told = run(
        *("codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK),
        LOCKGATE_TEST_KEY=keys.KEY,
    )
    assert scripted.WORD in told
    last = provider.requests[-1]["messages"]
    assert next(message for message in last if message.get("tool_calls"))["content"] == "Let me see."
    assert last[-1]["role"] == "tool" and last[-1]["tool_call_id"] == "call_1"


def test_gemini_cli_works_on_a_model_that_is_not_gemini(gateway, provider, run, tmp_path):
    # With another base URL it wants to be told that a key is how it signs in.
    settings = tmp_path / ".gemini/settings.json"
    settings.parent.mkdir()
    settings.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    told = run(
        *("gemini", "--prompt", TASK, "--model", "chat", "--approval-mode", "yolo", "--skip-trust"),
        GOOGLE_GEMINI_BASE_URL=gateway.url,
        GEMINI_API_KEY=keys.KEY,
        GEMINI_TELEMETRY_ENABLED="false",
    )
    assert scripted.WORD in told
    last = provider.requests[-1]["messages"]
    assert any(message["role"] == "tool" for message in last)

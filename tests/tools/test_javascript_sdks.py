"""The official SDKs in JavaScript, and Vercel's AI SDK, against a model of another API, given a base URL and a key."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import keys
import pytest
from lockgate_process import Gateway, environment

COMMANDS = Path(os.environ.get("LOCKGATE_NODE", "node_modules/.bin")).absolute()
SCRIPTS = Path(__file__).parent / "javascript"
SECONDS = 120
DIGEST = hashlib.sha256(keys.KEY.encode()).hexdigest()
CONFIG = f"""endpoints:
  - {{name: chat, endpoint_type: llm/v1/chat, model: {{provider: demo, name: demo}}}}
  - name: calling
    endpoint_type: llm/v1/chat
    model: {{provider: demo, name: demo, config: {{tool_call: {{name: weather, arguments: {{city: Bern}}}}}}}}
callers:
  - {{name: tests, key: 'sha256:{DIGEST}'}}
"""
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("javascript"), CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def scripts():
    """The scripts, beside the packages that they import."""
    folder = COMMANDS.parent.parent / "scripts"
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("script", ["openai", "anthropic", "cohere", "ollama", "bedrock", "google", "vercel"])
def test_an_sdk_reads_answers_streams_and_tool_calls(gateway, scripts, script, greeting):
    settings = {"url": gateway.url, "key": keys.KEY, "tools": [WEATHER]}
    done = subprocess.run(
        [COMMANDS / "node", scripts / "run.mjs", script, json.dumps(settings)],
        env=environment(NO_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    said = f"{greeting} You said: hello there"
    assert (found["text"], found["streamed"]) == (said, said)
    assert found["call"] == {"name": "weather", "arguments": {"city": "Bern"}}
    assert set(found["others"]) <= {said}

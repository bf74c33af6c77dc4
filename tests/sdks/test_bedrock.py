"""Programs that call Amazon Bedrock with boto3 and another endpoint, against a model that is not Bedrock's."""

import boto3
import keys
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError
from lockgate_process import Gateway

HELLO = [{"role": "user", "content": [{"text": "hello there"}]}]
WEATHER = {
    "toolSpec": {
        "name": "weather",
        "description": "Tells the weather.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
CONFIG = """endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo}}
  - name: calling
    endpoint_type: llm/v1/chat
    model: {provider: demo, name: demo, config: {tool_call: {name: weather, arguments: {city: Bern}}}}
  - {name: busy, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: 'status:429'}}}
  - {name: cut, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: cut, chunks: 8}}}
"""


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """The config of a listener with a certificate: the SDK sends a bearer key over nothing else."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    pem = folder / "server.pem"
    return folder / "authority.pem", f"server:\n  tls: {{certificate: '{pem}', key: '{pem}'}}\n"


@pytest.fixture
def connect(monkeypatch, secure):
    """A client with a bearer key, as AWS's SDKs take it from the environment."""

    def connect(gateway, key="unused", **more):
        if key:
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        else:
            monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
        config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
        return boto3.client(
            "bedrock-runtime",
            endpoint_url=f"{gateway.url}/bedrock",
            region_name="us-east-1",
            config=config,
            verify=str(secure[0]),
            **more,
        )

    return connect


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, secure):
    with Gateway(tmp_path_factory.mktemp("bedrock"), CONFIG + secure[1]) as gateway:
        yield gateway


@pytest.fixture
def client(connect, gateway):
    return connect(gateway)


def test_a_message_is_answered(client, greeting):
    answer = client.converse(modelId="chat", messages=HELLO, inferenceConfig={"maxTokens": 100})
    assert answer["output"]["message"]["content"][0]["text"] == f"{greeting} You said: hello there"
    assert (answer["stopReason"], answer["usage"]["inputTokens"]) == ("end_turn", 2)


def test_a_stream_says_what_the_whole_answer_says(client, greeting):
    events = list(client.converse_stream(modelId="chat", messages=HELLO)["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert len(deltas) > 5
    assert "".join(deltas) == f"{greeting} You said: hello there"
    assert list(events[0]) == ["messageStart"]
    assert next(event["messageStop"]["stopReason"] for event in events if "messageStop" in event) == "end_turn"
    assert next(event["metadata"]["usage"]["inputTokens"] for event in events if "metadata" in event) == 2


def test_a_tool_is_called(client):
    answer = client.converse(modelId="calling", messages=HELLO, toolConfig={"tools": [WEATHER]})
    calls = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
    assert (calls[0]["name"], calls[0]["input"], answer["stopReason"]) == ("weather", {"city": "Bern"}, "tool_use")
    result = {"toolUseId": calls[0]["toolUseId"], "content": [{"text": "sunny"}]}
    turns = [*HELLO, answer["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    assert client.converse(modelId="chat", messages=turns, toolConfig={"tools": [WEATHER]})["stopReason"] == "end_turn"


def test_failures_are_the_sdks_own_errors(client):
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(modelId="busy", messages=HELLO)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.converse(modelId="nothing", messages=HELLO)


def test_a_stream_that_is_cut_is_an_error_and_never_a_message(client):
    with pytest.raises(ClientError):
        list(client.converse_stream(modelId="cut", messages=HELLO)["stream"])


def test_a_bearer_key_is_enough_and_a_signature_is_told_so(connect, tmp_path, secure):
    with Gateway(tmp_path, keys.guarded("endpoints", "endpoint_type") + secure[1]) as gateway:
        assert connect(gateway, keys.KEY).converse(modelId="chat", messages=HELLO)["stopReason"] == "end_turn"
        with pytest.raises(ClientError) as refused:
            connect(gateway, "wrong").converse(modelId="chat", messages=HELLO)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)
        signing = connect(gateway, key=None, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="no-secret")
        with pytest.raises(ClientError) as refused:
            signing.converse(modelId="chat", messages=HELLO)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert "AWS_BEARER_TOKEN_BEDROCK" in refused.value.response["Error"]["Message"]
        assert keys.KEY not in gateway.log()

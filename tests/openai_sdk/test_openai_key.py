"""Programs that call OpenAI's SDK with a key that the gateway asks for, and no other setting than usual."""

import keys
import openai
import pytest
from lockgate_process import Gateway

HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("guarded"), keys.guarded("endpoints", "endpoint_type")) as gateway:
        yield gateway


@pytest.fixture
def program(gateway, monkeypatch):
    """A client that is made as programs make it, from the environment."""

    def make(key):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{gateway.url}/v1")
        return openai.OpenAI(max_retries=0, timeout=20)

    return make


def test_the_usual_setting_is_enough(program, greeting):
    with program(keys.KEY) as client:
        answer = client.chat.completions.create(model="chat", messages=HELLO)
        assert answer.choices[0].message.content == f"{greeting} You said: hello there"
        assert [model.id for model in client.models.list()] == ["chat"]
        chunks = client.chat.completions.create(model="chat", messages=HELLO, stream=True)
        assert len(list(chunks)) > 5


def test_a_wrong_key_is_the_sdks_own_error(program):
    with program("sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.chat.completions.create(model="chat", messages=HELLO)
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_a_route_that_is_not_the_callers_is_not_found(program):
    with program(keys.KEY) as client:
        with pytest.raises(openai.NotFoundError) as hidden:
            client.chat.completions.create(model="hidden", messages=HELLO)
        with pytest.raises(openai.NotFoundError) as nothing:
            client.chat.completions.create(model="nothing", messages=HELLO)
        assert hidden.value.code == nothing.value.code == "model_not_found"


def test_the_key_is_in_no_log(gateway, program):
    with program(keys.KEY) as client:
        client.chat.completions.create(model="chat", messages=HELLO)
    assert keys.KEY not in gateway.log()

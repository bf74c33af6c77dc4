"""Programs on LangChain and Pydantic AI, which reach the gateway through the SDKs of three APIs."""

import keys
import pytest
import scripted
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from lockgate_process import Gateway
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider


@pytest.fixture(scope="module")
def provider():
    with scripted.Provider({"weather": {"city": "Bern"}}) as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, provider):
    config = keys.guarded("endpoints", "endpoint_type")
    base = f"{{openai_api_key: k, openai_api_base: '{provider.url}/v1'}}"
    config = config.replace("{provider: demo, name: demo}", f"{{provider: openai, name: gpt-x, config: {base}}}")
    with Gateway(tmp_path_factory.mktemp("frameworks"), config) as gateway:
        yield gateway


LANGCHAIN = {
    "openai": lambda url: ChatOpenAI(
        model="chat", base_url=f"{url}/v1", api_key=keys.KEY, max_retries=0, stream_usage=True
    ),
    "responses": lambda url: ChatOpenAI(
        model="chat", base_url=f"{url}/v1", api_key=keys.KEY, max_retries=0, use_responses_api=True
    ),
    "anthropic": lambda url: ChatAnthropic(model="chat", base_url=url, api_key=keys.KEY, max_retries=0),
    "google": lambda url: ChatGoogleGenerativeAI(model="chat", base_url=url, api_key=keys.KEY, max_retries=1),
}
PYDANTIC = {
    "openai": lambda url: OpenAIChatModel(
        "chat", provider=OpenAIProvider(base_url=f"{url}/v1", api_key=keys.KEY)
    ),
    "responses": lambda url: OpenAIResponsesModel(
        "chat", provider=OpenAIProvider(base_url=f"{url}/v1", api_key=keys.KEY)
    ),
    "anthropic": lambda url: AnthropicModel(
        "chat", provider=AnthropicProvider(base_url=url, api_key=keys.KEY)
    ),
    "google": lambda url: GoogleModel("chat", provider=GoogleProvider(base_url=url, api_key=keys.KEY)),
}


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


@pytest.mark.parametrize("api", LANGCHAIN)
@pytest.mark.parametrize("streamed", [False, True])
def test_langchain_calls_a_tool_and_hears_the_last_word(gateway, api, streamed):
    model = LANGCHAIN[api](gateway.url).bind_tools([weather])

    def ask(messages):
        if not streamed:
            return model.invoke(messages)
        chunks = list(model.stream(messages))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return whole

    messages = [("user", "How is it in Bern?")]
    first = ask(messages)
    assert [(call["name"], call["args"]) for call in first.tool_calls] == [("weather", {"city": "Bern"})]
    answer = weather.invoke(first.tool_calls[0])
    last = ask([*messages, first, answer])
    assert scripted.WORD in last.text
    assert last.usage_metadata["input_tokens"] == scripted.USAGE["prompt_tokens"]


@pytest.mark.parametrize("api", PYDANTIC)
@pytest.mark.parametrize("streamed", [False, True])
def test_pydantic_ai_runs_an_agent_to_its_end(gateway, api, streamed):
    agent = Agent(PYDANTIC[api](gateway.url))
    asked = []

    @agent.tool_plain(name="weather")
    def _weather(city: str) -> str:
        """Tells the weather."""
        asked.append(city)
        return f"sunny in {city}"

    async def watch(_, events):
        async for event in events:
            seen.append(event)

    seen = []
    watching = {"event_stream_handler": watch} if streamed else {}  # who watches, streams
    said = agent.run_sync("How is it in Bern?", **watching).output
    assert asked == ["Bern"]
    assert scripted.WORD in said
    assert (len(seen) > 5) == streamed

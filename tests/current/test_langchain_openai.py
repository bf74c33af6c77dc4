"""LangChain of today, through its classes for OpenAI."""

import asyncio

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def chat_model(endpoints, route):
    return ChatOpenAI(base_url=f"{endpoints.url}/v1", api_key="unused", model=route, max_retries=0)


@pytest.fixture
def chat(endpoints, place):
    return chat_model(endpoints, f"chat{place}")


def test_a_chat_model_answers_and_says_what_it_used(chat, greeting):
    answer = chat.invoke([SystemMessage("be brief"), HumanMessage("hello")])
    assert answer.content == f"{greeting} You said: hello"
    assert answer.usage_metadata["input_tokens"] == 3


def test_a_chat_model_streams(chat, greeting):
    chunks = list(chat.stream("hello"))
    assert len(chunks) > 5
    assert "".join(chunk.content for chunk in chunks) == f"{greeting} You said: hello"


def test_chat_models_stream_asynchronously(endpoints, greeting):
    async def collect(route):
        return "".join([chunk.content async for chunk in chat_model(endpoints, route).astream("hello")])

    # The models share a client that lives in one loop.
    async def both():
        return await asyncio.gather(collect("chat"), collect("chat-far"))

    assert asyncio.run(both()) == [f"{greeting} You said: hello"] * 2


def test_a_bound_tool_is_called(chat):
    def weather(city: str) -> str:
        """The weather in a city."""
        return city

    call = {"demo": {"tool_call": {"name": "weather", "arguments": {"city": "Bern"}}}}
    answer = chat.bind_tools([weather]).invoke("hello", extra_body=call)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "Bern"})]


def test_documents_become_vectors_in_their_order(endpoints, place):
    # Otherwise the class fetches a vocabulary from the network to cut long texts.
    options = {"check_embedding_ctx_length": False}
    url = f"{endpoints.url}/v1"
    model = OpenAIEmbeddings(base_url=url, api_key="unused", model=f"embeddings{place}", **options)
    vectors = model.embed_documents(["a", "b", "a"])
    assert vectors[0] == vectors[2] != vectors[1]
    assert model.embed_query("b") == pytest.approx(vectors[1])

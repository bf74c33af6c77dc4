"""Many streams at once, as asynchronous programs have them."""

import asyncio

import openai
import pytest


def run(endpoints, work):
    """Runs `work` with a client in a loop of its own."""

    async def main():
        url = f"{endpoints.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="unused", max_retries=0, timeout=30) as client:
            return await work(client)

    return asyncio.run(main())


async def streamed(client, model, text, **options):
    """The whole text of a streamed answer."""
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], stream=True, **options
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


def test_streams_at_once_are_never_mixed_up(endpoints, place, greeting):
    texts = [f"number {number}" for number in range(40)]
    slowly = {"extra_body": {"demo": {"pace_ms": 5}}}

    async def work(client):
        return await asyncio.gather(*(streamed(client, f"chat{place}", text, **slowly) for text in texts))

    assert run(endpoints, work) == [f"{greeting} You said: {text}" for text in texts]


def test_streams_that_are_left_early_do_not_disturb_the_others(endpoints, place, greeting):
    async def leave_early(client):
        stream = await client.chat.completions.create(
            model=f"chat{place}",
            messages=[{"role": "user", "content": "long"}],
            stream=True,
            extra_body={"demo": {"chunks": 1000, "pace_ms": 20}},
        )
        async for _ in stream:
            await stream.close()
            return "left"

    async def work(client):
        leavers = [leave_early(client) for _ in range(10)]
        stayers = [streamed(client, f"chat{place}", "stay") for _ in range(10)]
        return await asyncio.gather(*leavers, *stayers)

    answers = run(endpoints, work)
    assert answers == ["left"] * 10 + [f"{greeting} You said: stay"] * 10


def test_an_error_among_many_streams_hits_its_own_caller_only(endpoints, greeting, place):
    async def work(client):
        models = [f"chat{place}", f"chat-busy{place}", f"chat-cut{place}", f"chat{place}"]
        calls = [streamed(client, model, "hello") for model in models]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, busy, cut, last = run(endpoints, work)
    assert first == last == f"{greeting} You said: hello"
    assert isinstance(busy, openai.RateLimitError)
    assert isinstance(cut, openai.APIError)


def test_embeddings_at_once_are_never_mixed_up(endpoints, place):
    async def embed(client, text):
        answer = await client.embeddings.create(model=f"embeddings{place}", input=text, encoding_format="float")
        return answer.data[0].embedding

    async def work(client):
        texts = [f"text {number % 5}" for number in range(25)]
        return await asyncio.gather(*(embed(client, text) for text in texts))

    vectors = run(endpoints, work)
    assert vectors[:5] * 5 == vectors
    assert all(vectors[one] != vectors[other] for one in range(5) for other in range(one))


def test_an_unknown_model_is_not_found_before_a_stream_begins(endpoints):
    with pytest.raises(openai.NotFoundError):
        run(endpoints, lambda client: streamed(client, "nope", "hello"))

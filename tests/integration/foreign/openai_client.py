"""OpenAI's own package, sync and async. Usage: openai_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import asyncio
import base64
import sys

import numpy as np
import openai

from service import TEXTS, check, native_vectors


def vectors(response):
    return np.array([item.embedding for item in response.data], dtype=np.float32)


def failure(call, kind):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"answered instead of {kind.__name__}")


def embed(client, model, expected):
    # By default the package asks for base64 and decodes it.
    response = client.embeddings.create(input=TEXTS, model=model)
    check(vectors(response).tobytes() == expected.tobytes(), "other bytes than attendant.v1's")
    check([item.index for item in response.data] == list(range(len(TEXTS))), "order")
    check(response.usage.prompt_tokens == response.usage.total_tokens > 2 * len(TEXTS), response.usage)
    floats = client.embeddings.create(input=TEXTS, model=model, encoding_format="float")
    check(vectors(floats).tobytes() == expected.tobytes(), "floats")
    raw = client.embeddings.with_raw_response.create(input=TEXTS[0], model=model, encoding_format="base64")
    check(base64.b64decode(raw.http_response.json()["data"][0]["embedding"]) == expected[0].tobytes(), "base64")
    # The default model was not trained for it, so it wants the caller's word.
    short = vectors(client.embeddings.create(input=TEXTS[0], model=model, dimensions=8,
                                             extra_body={"allow_untrained_dimensions": True}))[0]
    check(np.allclose(short, expected[0][:8] / np.linalg.norm(expected[0][:8]), atol=1e-6), "dimensions")


def errors(client, model):
    invalid = failure(lambda: client.embeddings.create(input=["a", ""], model=model), openai.BadRequestError)
    check(invalid.param == "input[1]" and invalid.type == "invalid_request_error", invalid.body)
    untrained = failure(lambda: client.embeddings.create(input="a", model=model, dimensions=8), openai.BadRequestError)
    check(untrained.param == "dimensions", untrained.body)
    unknown = failure(lambda: client.embeddings.create(input="a", model="none"), openai.NotFoundError)
    check(unknown.code == "model_not_found", unknown.body)
    ids = failure(lambda: client.embeddings.create(input=[[1, 2]], model=model), openai.BadRequestError)
    check("vocabulary" in ids.message, ids.message)
    taken = client.embeddings.create(input=[[101, 102]], model=model, extra_body={"vocabulary": "model"})
    check(len(taken.data) == 1, "ids of the model's own vocabulary")
    failure(lambda: client.models.retrieve("none"), openai.NotFoundError)


async def at_once(url, model, expected):
    async with openai.AsyncOpenAI(base_url=url, api_key="unused") as client:
        calls = [client.embeddings.create(input=text, model=model) for text in TEXTS]
        answers = await asyncio.gather(*calls)
    rows = np.concatenate([vectors(answer) for answer in answers])
    check(rows.tobytes() == expected.tobytes(), "fifty calls at once")


def main(grpc_address, http_address):
    expected = native_vectors(grpc_address)
    url = f"http://{http_address}/v1"
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        model = client.models.list().data[0].id
        check(client.models.retrieve(model).object == "model", "models.retrieve")
        embed(client, model, expected)
        errors(client, model)
    asyncio.run(at_once(url, model, expected))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The client for asyncio: the same calls as Client's, to be awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from attendant_client import _channel, _convert
from attendant_client._contract import health, pb
from attendant_client._encode import EncodePlan, prompt_for_document, prompt_for_query
from attendant_client._job import Batch, Job, JobSettings
from attendant_client._retry import Attempts
from attendant_client.errors import AttendantError, from_rpc_error
from attendant_client.types import (
    Attention,
    AttentionOptions,
    CompareOptions,
    ConnectionOptions,
    Embeddings,
    EmbedOptions,
    InputOptions,
    Item,
    ModelInfo,
    Ranking,
    Similarities,
    TokenizedItem,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncClient:
    """Talks to one server from one event loop, the one in which it is first used; `async with` or close() ends its
    connection.

    Arguments are those of Client.
    """

    def __init__(self, target: str | None = None, **options: Unpack[ConnectionOptions]) -> None:
        self._connection = _channel.make_connection(target, options)
        self._metadata = _channel.metadata(self._connection)
        self._models = _channel.ModelCache()
        self._channel: Any = None
        self._made_methods: Any = None

    @property
    def _methods(self) -> Any:
        """gRPC ties a channel to the loop that runs when it is made, so it is made at the first call."""
        if self._channel is None:
            arguments, credentials = (
                _channel.channel_arguments(self._connection),
                _channel.credentials(self._connection),
            )
            self._channel = (
                grpc.aio.insecure_channel(self._connection.target, arguments)
                if credentials is None
                else grpc.aio.secure_channel(self._connection.target, credentials, arguments)
            )
            self._made_methods = _channel.make_methods(self._channel)
        return self._made_methods

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    # ---- calls

    async def embed(self, items: Iterable[Item], **options: Unpack[EmbedOptions]) -> Embeddings:
        """See Client.embed."""
        return await self._run(list(items), options, lambda done: None)

    async def encode(
        self,
        sentences: Any,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: str = "sentence_embedding",
        precision: str | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        model: str = "",
        timeout: float | None = None,
        fingerprint: str | None = None,
        on_error: str = "raise",
    ) -> Any:
        """See Client.encode."""
        plan = EncodePlan(
            sentences,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            output_value=output_value,
            precision=precision,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            model=model,
            timeout=timeout,
            fingerprint=fingerprint,
            on_error=on_error,
        )
        with plan.progress() as on_progress:
            return plan.finish(await self._run(plan.items, plan.options, on_progress))

    async def encode_query(
        self, sentences: Any, prompt_name: str | None = None, prompt: str | None = None, **options: Any
    ) -> Any:
        """encode() with the model's prompt for queries, if it has one."""
        if prompt_name is None and prompt is None:
            prompt_name = prompt_for_query((await self._model(options.get("model") or "")).prompts)
        return await self.encode(sentences, prompt_name, prompt, **options)

    async def encode_document(
        self, sentences: Any, prompt_name: str | None = None, prompt: str | None = None, **options: Any
    ) -> Any:
        """encode() with the model's prompt for documents, if it has one."""
        if prompt_name is None and prompt is None:
            prompt_name = prompt_for_document((await self._model(options.get("model") or "")).prompts)
        return await self.encode(sentences, prompt_name, prompt, **options)

    async def rank(
        self, query: Item, items: Iterable[Item], top_k: int = 0, **options: Unpack[CompareOptions]
    ) -> Ranking:
        """The items most like the query, best first; top_k 0: all. Texts get the model's prompts for queries and
        documents; float arrays are vectors that were embedded before."""
        request = _convert.to_rank_request(query, list(items), top_k, options)
        return _convert.to_ranking(await self._call("Rank", request, options.get("timeout")))

    async def similarity(
        self, items: Iterable[Item], others: Iterable[Item] = (), **options: Unpack[CompareOptions]
    ) -> Similarities:
        """How alike the items are to each other, or to others."""
        request = _convert.to_similarity_request(list(items), list(others), options)
        return _convert.to_similarities(await self._call("Similarity", request, options.get("timeout")))

    async def tokenize(self, items: Iterable[Item], **options: Unpack[InputOptions]) -> list[TokenizedItem]:
        """The tokens that embed() would use for the same items."""
        items = list(items)
        if not items:
            return []
        response = await self._call("Tokenize", _convert.to_tokenize_request(items, options), options.get("timeout"))
        return [_convert.to_tokenized(result, index) for index, result in enumerate(response.results)]

    async def attention(self, item: Item, **options: Unpack[AttentionOptions]) -> Attention:
        """The attention probabilities of one item."""
        request = _convert.to_attention_request(item, options)

        async def read(timeout: float) -> Attention:
            assembler = _convert.AttentionAssembler(self._connection.max_attention_bytes)
            call = self._methods.GetAttention(request, timeout=timeout, metadata=self._metadata)
            try:
                async for chunk in call:
                    assembler.add(chunk)
            finally:
                call.cancel()  # no effect on a call that is over
            return assembler.finish()

        result: Attention = await self._with_retries("GetAttention", read, options.get("timeout"))
        return result

    async def list_models(self, timeout: float | None = None) -> list[ModelInfo]:
        response = await self._call("ListModels", pb.ListModelsRequest(), timeout)
        return [_convert.to_model_info(model) for model in response.models]

    async def get_model(self, name: str = "", timeout: float | None = None) -> ModelInfo:
        """name: empty for the default model."""
        return _convert.to_model_info(await self._call("GetModel", pb.GetModelRequest(name=name), timeout))

    async def health(self, service: str = "", timeout: float = 3.0) -> str:
        """ "SERVING", "NOT_SERVING", ...; tried once."""
        request = health.HealthCheckRequest(service=service)
        try:
            response = await self._methods.Health(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._where("Health")) from None
        return _convert.health_name(response)

    # ---- how

    def _where(self, method: str) -> str:
        return f"{method} at {self._connection.target}"

    async def _with_retries(
        self, method: str, attempt: Callable[[float], Awaitable[Any]], timeout: float | None
    ) -> Any:
        deadline = time.monotonic() + (self._connection.timeout if timeout is None else timeout)
        attempts = Attempts(self._connection.retry, deadline)
        while True:
            try:
                return await attempt(max(0.0, deadline - time.monotonic()))
            except grpc.RpcError as error:
                failure = from_rpc_error(error, self._where(method))
            await asyncio.sleep(attempts.wait_after(failure, time.monotonic()))

    async def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        callable_ = getattr(self._methods, method)
        return await self._with_retries(
            method, lambda left: callable_(request, timeout=left, metadata=self._metadata), timeout
        )

    async def _model(self, name: str) -> ModelInfo:
        model: ModelInfo | None = self._models.get(name, time.monotonic())
        if model is None:
            model = await self.get_model(name)
            self._models.put(name, model, time.monotonic())
        return model

    async def _run(
        self, items: Sequence[Item], options: EmbedOptions, on_progress: Callable[[int], None]
    ) -> Embeddings:
        model = await self._model(options.get("model") or "")
        job = Job(items, options, model, JobSettings.of(self._connection), time.monotonic())
        under_way: dict[asyncio.Task[Any], Batch] = {}
        try:
            while not job.finished:
                await self._step(job, under_way)
                on_progress(job.items_done)
        except AttendantError:
            self._models.forget()  # the server may be another by now
            raise
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return job.finish(model.dimension)

    async def _step(self, job: Job, under_way: dict[asyncio.Task[Any], Batch]) -> None:
        now = time.monotonic()
        while (batch := job.take(now)) is not None:
            under_way[asyncio.ensure_future(self._embed(job, batch, now))] = batch
        wait = job.wait_s(now)
        if not under_way:
            await asyncio.sleep(wait)
            return job.check(time.monotonic())
        done, _ = await asyncio.wait(under_way, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            batch = under_way.pop(task)
            try:
                response = task.result()
            except grpc.RpcError as error:
                job.on_error(batch, from_rpc_error(error, self._where("Embed")), time.monotonic())
            else:
                job.on_answer(batch, response, time.monotonic())
        if not done:
            job.check(time.monotonic())
        return None

    async def _embed(self, job: Job, batch: Batch, now: float) -> Any:
        return await self._methods.Embed(job.request(batch), timeout=job.request_timeout(now), metadata=self._metadata)

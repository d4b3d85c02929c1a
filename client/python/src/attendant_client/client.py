"""The synchronous client."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Sequence
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


class Client:
    """Talks to one server. May be used from several threads at once; close() or `with` ends its connection.

    target: HOST:PORT, or what else gRPC takes (dns:///name:port spreads calls over all addresses); None:
    $ATTENDANT_SERVER, else 127.0.0.1:50051. Options: see Connection.
    """

    def __init__(self, target: str | None = None, **options: Unpack[ConnectionOptions]) -> None:
        self._connection = _channel.make_connection(target, options)
        arguments, credentials = _channel.channel_arguments(self._connection), _channel.credentials(self._connection)
        self._channel = (
            grpc.insecure_channel(self._connection.target, arguments)
            if credentials is None
            else grpc.secure_channel(self._connection.target, credentials, arguments)
        )
        self._methods = _channel.make_methods(self._channel)
        self._metadata = _channel.metadata(self._connection)
        self._models = _channel.ModelCache()

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- calls

    def embed(self, items: Iterable[Item], **options: Unpack[EmbedOptions]) -> Embeddings:
        """The vectors of any number of items, in as many requests as the server's limits make of them.

        An item that is wrong fails alone: see Embeddings.errors.
        """
        return self._run(list(items), options, lambda done: None)

    def encode(
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
        """As SentenceTransformer.encode: a string gives one vector, a list a matrix with a row for each, in its order.

        batch_size None is chosen by the server's limits; device means nothing. output_value="token_embeddings" gives a
        list of arrays (of tensors with convert_to_tensor). on_error="nan" makes NaN rows of items that fail, instead of
        raising. fingerprint: of the model that must answer. timeout: seconds for the whole call.
        """
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
            return plan.finish(self._run(plan.items, plan.options, on_progress))

    def encode_query(
        self, sentences: Any, prompt_name: str | None = None, prompt: str | None = None, **options: Any
    ) -> Any:
        """encode() with the model's prompt for queries, if it has one."""
        if prompt_name is None and prompt is None:
            prompt_name = prompt_for_query(self._model(options.get("model") or "").prompts)
        return self.encode(sentences, prompt_name, prompt, **options)

    def encode_document(
        self, sentences: Any, prompt_name: str | None = None, prompt: str | None = None, **options: Any
    ) -> Any:
        """encode() with the model's prompt for documents, if it has one."""
        if prompt_name is None and prompt is None:
            prompt_name = prompt_for_document(self._model(options.get("model") or "").prompts)
        return self.encode(sentences, prompt_name, prompt, **options)

    def rank(self, query: Item, items: Iterable[Item], top_k: int = 0, **options: Unpack[CompareOptions]) -> Ranking:
        """The items most like the query, best first; top_k 0: all. Texts get the model's prompts for queries and
        documents; float arrays are vectors that were embedded before."""
        request = _convert.to_rank_request(query, list(items), top_k, options)
        return _convert.to_ranking(self._call("Rank", request, options.get("timeout")))

    def similarity(
        self, items: Iterable[Item], others: Iterable[Item] = (), **options: Unpack[CompareOptions]
    ) -> Similarities:
        """How alike the items are to each other, or to others."""
        request = _convert.to_similarity_request(list(items), list(others), options)
        return _convert.to_similarities(self._call("Similarity", request, options.get("timeout")))

    def tokenize(self, items: Iterable[Item], **options: Unpack[InputOptions]) -> list[TokenizedItem]:
        """The tokens that embed() would use for the same items."""
        items = list(items)
        if not items:
            return []
        response = self._call("Tokenize", _convert.to_tokenize_request(items, options), options.get("timeout"))
        return [_convert.to_tokenized(result, index) for index, result in enumerate(response.results)]

    def attention(self, item: Item, **options: Unpack[AttentionOptions]) -> Attention:
        """The attention probabilities of one item."""
        request = _convert.to_attention_request(item, options)

        def read(timeout: float) -> Attention:
            assembler = _convert.AttentionAssembler(self._connection.max_attention_bytes)
            call = self._methods.GetAttention(request, timeout=timeout, metadata=self._metadata)
            try:
                for chunk in call:
                    assembler.add(chunk)
            finally:
                call.cancel()  # no effect on a call that is over
            return assembler.finish()

        result: Attention = self._with_retries("GetAttention", read, options.get("timeout"))
        return result

    def list_models(self, timeout: float | None = None) -> list[ModelInfo]:
        response = self._call("ListModels", pb.ListModelsRequest(), timeout)
        return [_convert.to_model_info(model) for model in response.models]

    def get_model(self, name: str = "", timeout: float | None = None) -> ModelInfo:
        """name: empty for the default model."""
        return _convert.to_model_info(self._call("GetModel", pb.GetModelRequest(name=name), timeout))

    def health(self, service: str = "", timeout: float = 3.0) -> str:
        """ "SERVING", "NOT_SERVING", ...; tried once."""
        request = health.HealthCheckRequest(service=service)
        try:
            response = self._methods.Health(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._where("Health")) from None
        return _convert.health_name(response)

    # ---- how

    def _where(self, method: str) -> str:
        return f"{method} at {self._connection.target}"

    def _with_retries(self, method: str, attempt: Callable[[float], Any], timeout: float | None) -> Any:
        deadline = time.monotonic() + (self._connection.timeout if timeout is None else timeout)
        attempts = Attempts(self._connection.retry, deadline)
        while True:
            try:
                return attempt(max(0.0, deadline - time.monotonic()))
            except grpc.RpcError as error:
                failure = from_rpc_error(error, self._where(method))
            time.sleep(attempts.wait_after(failure, time.monotonic()))

    def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        callable_ = getattr(self._methods, method)
        return self._with_retries(
            method, lambda left: callable_(request, timeout=left, metadata=self._metadata), timeout
        )

    def _model(self, name: str) -> ModelInfo:
        model: ModelInfo | None = self._models.get(name, time.monotonic())
        if model is None:
            model = self.get_model(name)
            self._models.put(name, model, time.monotonic())
        return model

    def _run(self, items: Sequence[Item], options: EmbedOptions, on_progress: Callable[[int], None]) -> Embeddings:
        model = self._model(options.get("model") or "")
        job = Job(items, options, model, JobSettings.of(self._connection), time.monotonic())
        try:
            if job.single:
                self._run_single(job)
            else:
                self._run_many(job, on_progress)
        except AttendantError:
            self._models.forget()  # the server may be another by now
            raise
        on_progress(job.items_done)
        return job.finish(model.dimension)

    def _run_single(self, job: Job) -> None:
        """Without the thread that gRPC needs for calls in the background."""
        while not job.finished:
            now = time.monotonic()
            batch = job.take(now)
            if batch is None:
                time.sleep(job.wait_s(now))
                job.check(time.monotonic())
                continue
            try:
                response = self._methods.Embed(
                    job.request(batch), timeout=job.request_timeout(now), metadata=self._metadata
                )
            except grpc.RpcError as error:
                job.on_error(batch, from_rpc_error(error, self._where("Embed")), time.monotonic())
            else:
                job.on_answer(batch, response, time.monotonic())

    def _run_many(self, job: Job, on_progress: Callable[[int], None]) -> None:
        under_way: dict[Any, Batch] = {}
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            while not job.finished:
                now = time.monotonic()
                while (batch := job.take(now)) is not None:
                    call = self._methods.Embed.future(
                        job.request(batch), timeout=job.request_timeout(now), metadata=self._metadata
                    )
                    under_way[call] = batch
                    call.add_done_callback(done.put)
                try:
                    call = done.get(timeout=job.wait_s(now))
                except queue.Empty:
                    job.check(time.monotonic())
                    continue
                self._finish_one(job, under_way.pop(call), call)
                on_progress(job.items_done)
        finally:
            for call in under_way:
                call.cancel()

    def _finish_one(self, job: Job, batch: Batch, call: Any) -> None:
        try:
            response = call.result()
        except grpc.RpcError as error:
            job.on_error(batch, from_rpc_error(error, self._where("Embed")), time.monotonic())
        else:
            job.on_answer(batch, response, time.monotonic())

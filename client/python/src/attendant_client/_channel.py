"""What the synchronous and the asynchronous client have in common: options of the channel, credentials, and the
methods."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import grpc

from attendant_client import _convert
from attendant_client._contract import health, pb
from attendant_client.types import Connection, ConnectionOptions, Tls

_SERVICE = "/attendant.v1.EmbeddingService/"
# A server that restarts should be found again within seconds; gRPC's own default grows to two minutes.
_MIN_RECONNECT_MS, _MAX_RECONNECT_MS = 200, 2000
# Finds a silently dead connection within a minute, and stays far above the server's minimum ping interval.
_KEEPALIVE_TIME_MS, _KEEPALIVE_TIMEOUT_MS = 60_000, 10_000
_MODEL_INFO_AGE_S = 60.0


def make_connection(target: str | None, options: ConnectionOptions) -> Connection:
    values: dict[str, Any] = dict(options)
    if values.get("api_key") is None:
        values["api_key"] = os.environ.get("ATTENDANT_API_KEY")
    return Connection(target or os.environ.get("ATTENDANT_SERVER") or "127.0.0.1:50051", **values)


def channel_arguments(connection: Connection) -> list[tuple[str, Any]]:
    arguments: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", connection.max_message_bytes),
        ("grpc.max_send_message_length", connection.max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", _MIN_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _MAX_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _MAX_RECONNECT_MS),
        ("grpc.keepalive_time_ms", _KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.enable_http_proxy", int(connection.use_http_proxy)),
        # Its own connection for each client, so that one's trouble or load does not show in another.
        ("grpc.use_local_subchannel_pool", 1),
        # Over several addresses (dns:///name:port) calls are spread; with one it means nothing.
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.primary_user_agent", "attendant-client-python"),
    ]
    if isinstance(connection.tls, Tls) and connection.tls.server_name:
        arguments.append(("grpc.ssl_target_name_override", connection.tls.server_name))
    return arguments


def credentials(connection: Connection) -> grpc.ChannelCredentials | None:
    """None: no TLS."""
    if connection.tls is False:
        return None
    tls = Tls() if connection.tls is True else connection.tls
    return grpc.ssl_channel_credentials(tls.authorities, tls.key, tls.certificate)


def metadata(connection: Connection) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {connection.api_key}")] if connection.api_key else []


def make_methods(channel: Any) -> Any:
    """The callables of a grpc.Channel or a grpc.aio.Channel."""

    def unary(path: str, request: Any, parse: Any) -> Any:
        return channel.unary_unary(path, request_serializer=request.SerializeToString, response_deserializer=parse)

    return SimpleNamespace(
        Embed=unary(_SERVICE + "Embed", pb.EmbedRequest, _convert.parse_embed_response),
        Tokenize=unary(_SERVICE + "Tokenize", pb.TokenizeRequest, pb.TokenizeResponse.FromString),
        Rank=unary(_SERVICE + "Rank", pb.RankRequest, pb.RankResponse.FromString),
        Similarity=unary(_SERVICE + "Similarity", pb.SimilarityRequest, _convert.parse_similarity_response),
        ListModels=unary(_SERVICE + "ListModels", pb.ListModelsRequest, pb.ListModelsResponse.FromString),
        GetModel=unary(_SERVICE + "GetModel", pb.GetModelRequest, pb.Model.FromString),
        Health=unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest, health.HealthCheckResponse.FromString),
        GetAttention=channel.unary_stream(
            _SERVICE + "GetAttention",
            request_serializer=pb.GetAttentionRequest.SerializeToString,
            response_deserializer=_convert.parse_attention_response,
        ),
    )


class ModelCache:
    """What is known of the models, for a minute: jobs plan with it. Thread-safe as a dict is."""

    def __init__(self) -> None:
        self._models: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, now: float) -> Any:
        until, model = self._models.get(name, (0.0, None))
        return model if now < until else None

    def put(self, name: str, model: Any, now: float) -> None:
        self._models[name] = (now + _MODEL_INFO_AGE_S, model)

    def forget(self) -> None:
        self._models.clear()

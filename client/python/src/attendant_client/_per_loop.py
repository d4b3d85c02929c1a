"""An AsyncClient for each event loop, for adapters: their callers run one loop after another, and gRPC ties a channel
to its loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from attendant_client.aio import AsyncClient


class ClientPerLoop:
    """The clients go with their loops. Each loop's thread sees its own entry only."""

    def __init__(self, target: str | None, options: dict[str, Any]) -> None:
        self._target = target
        self._options = options
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = weakref.WeakKeyDictionary()

    def get(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = AsyncClient(self._target, **self._options)
        return client

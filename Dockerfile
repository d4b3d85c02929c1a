# The server with the default model inside. Build: docker build -t attendant .
# Run: docker run --read-only --cap-drop ALL -p 50051:50051 -p 8080:8080 -p 9464:9464 attendant

FROM debian:bookworm-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
COPY scripts/lib.sh scripts/packages.txt scripts/
RUN . scripts/lib.sh && setup && rm -rf /var/lib/apt/lists/*
COPY scripts/get-model scripts/all-MiniLM-L6-v2.sha256 scripts/
RUN ATTENDANT_CACHE_DIR=/cache scripts/get-model
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY proto proto
COPY engine engine
COPY server server
COPY client client
# The compiler's cache outlives the layer: after a change only what it touched is compiled again.
RUN --mount=type=cache,target=/root/.cache/ccache \
    . scripts/lib.sh \
    && cmake --preset release -DATTENDANT_BUILD_TESTS=OFF \
    && cmake --build --preset release --target attendant-server attendant_cli \
    && mkdir -p /out/bin \
    && cp build/release/bin/attendant-server build/release/bin/attendant /out/bin \
    && strip /out/bin/* \
    && rm -rf build
# The packages of the shared libraries that the two programs load: the final stage installs these and nothing else.
RUN ldd /out/bin/* | awk '$3 ~ /^\// {print $3}' | sort -u | xargs realpath | xargs -n 1 basename \
    | sed 's|^|*/|' | xargs dpkg-query --search | cut -d : -f 1 | sort -u > /out/packages

FROM debian:bookworm-slim
COPY --from=build /out/packages /tmp/packages
# hadolint ignore=DL3008
RUN apt-get update \
    && xargs -a /tmp/packages apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /tmp/packages \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin attendant
COPY --from=build /cache/models /models
COPY --from=build /out/bin /usr/local/bin
COPY LICENSE /usr/share/doc/attendant/LICENSE
ENV ATTENDANT_MODEL=/models/all-MiniLM-L6-v2 \
    ATTENDANT_GRPC_ADDRESS=0.0.0.0:50051 \
    ATTENDANT_HTTP_ADDRESS=0.0.0.0:8080 \
    ATTENDANT_METRICS_ADDRESS=0.0.0.0:9464
USER 10001:10001
EXPOSE 8080 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["attendant", "health", "--server", "127.0.0.1:50051"]
ENTRYPOINT ["attendant-server"]

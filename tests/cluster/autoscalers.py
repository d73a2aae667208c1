"""A real Prometheus, and KEDA's real operator and metrics adapter, beside a control plane.

Prometheus scrapes pages that the test writes. Everything listens on loopback, but for the adapter's
own metrics, for which it has no option.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.cluster.conftest import Kubectl
from tools.control_plane.layout import Layout
from tools.control_plane.ports import LOOPBACK, free_ports
from tools.control_plane.waiting import wait_until

READY_SECONDS = 60
_STOP_SECONDS = 20
_METRICS_API = """
apiVersion: v1
kind: Namespace
metadata: {name: keda}
---
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {type: ExternalName, externalName: localhost, ports: [{port: PORT}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  service: {name: keda-metrics-apiserver, namespace: keda, port: PORT}
  group: external.metrics.k8s.io
  version: v1beta1
  # The adapter shows the control plane's certificate, which names loopback and not this Service.
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
"""


@dataclass
class Pages:
    """What is scraped, by the job that it is scraped as; a job without a page is no target."""

    folder: Path
    port: int = 0
    texts: dict[str, str] = field(default_factory=dict[str, str])

    def show(self, job: str, samples: Mapping[str, float]) -> None:
        """Write the page of a job: a value for each series."""
        self.texts[job] = "".join(f"{series} {value}\n" for series, value in samples.items())
        self._announce()

    def take_away(self, job: str) -> None:
        """What was scraped there is gone, as when the last pod ends."""
        self.texts.pop(job, None)
        self._announce()

    @property
    def targets(self) -> Path:
        """The file in which Prometheus looks for targets."""
        return self.folder / "targets.json"

    def _announce(self) -> None:
        found = [
            {
                "targets": [f"{LOOPBACK}:{self.port}"],
                "labels": {"job": job, "namespace": "akko", "__metrics_path__": f"/{job}"},
            }
            for job in self.texts
        ]
        waiting = self.targets.with_suffix(".new")
        waiting.write_text(json.dumps(found), encoding="utf-8")
        waiting.replace(self.targets)


@contextmanager
def served_pages(folder: Path) -> Generator[Pages]:
    """Pages on a free port of loopback."""
    pages = Pages(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages.texts.get(self.path.removeprefix("/"))
            self.send_response(200 if text is not None else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            del format, args

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        pages.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield pages
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def process(
    argv: list[str], log: Path, environ: Mapping[str, str]
) -> Generator[subprocess.Popen[bytes]]:
    """A program for as long as it is needed; ended in good order, else killed."""
    # A proxy of the user's environment has no business between it and loopback.
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with log.open("a", encoding="utf-8") as output:
        started = subprocess.Popen(
            argv, env={**kept, **environ}, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield started
            assert started.poll() is None, log.read_text(encoding="utf-8")[-3000:]
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


@contextmanager
def running_prometheus(binary: Path, pages: Pages, port: int) -> Generator[None]:
    """Prometheus on a port, with what it stored before."""
    config = pages.folder / "prometheus.yml"
    scraped = {
        "job_name": "pages",
        "honor_labels": True,
        "file_sd_configs": [{"files": [str(pages.targets)], "refresh_interval": "1s"}],
    }
    config.write_text(
        json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}),
        encoding="utf-8",
    )
    argv = [
        str(binary),
        f"--config.file={config}",
        f"--storage.tsdb.path={pages.folder / 'prometheus'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    log = pages.folder / "prometheus.log"
    with process(argv, log, {}) as started:
        wait_for(f"http://{LOOPBACK}:{port}/-/ready", started, log)
        yield


@contextmanager
def running_keda(binary: Path, kubectl: Kubectl, home: Path, folder: Path) -> Generator[None]:
    """KEDA's operator and metrics adapter, with the control plane's certificate for each other."""
    layout = Layout.of(home)
    keys = folder / "keda"
    keys.mkdir(mode=0o700)
    pairs = {"ca.crt": layout.ca, "tls.crt": layout.certificate, "tls.key": layout.key}
    for name, there in pairs.items():
        (keys / name).symlink_to(there)
    metrics, health, service, secure, adapter_metrics = free_ports(5)
    kubectl.apply(_METRICS_API.replace("PORT", str(secure)))
    names = {"POD_NAMESPACE": "keda", "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda"}
    environ = {"KUBECONFIG": str(layout.kubeconfig), "WATCH_NAMESPACE": "", **names}
    operator = [
        str(binary),
        f"--metrics-bind-address={LOOPBACK}:{metrics}",
        f"--health-probe-bind-address={LOOPBACK}:{health}",
        f"--metrics-service-bind-address={LOOPBACK}:{service}",
        f"--cert-dir={keys}",
        "--leader-elect=false",
    ]
    adapter = [
        str(binary.with_name("keda-adapter")),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={secure}",
        f"--port={adapter_metrics}",
        f"--metrics-service-address=localhost:{service}",
        f"--cert-dir={keys}",
        f"--tls-cert-file={keys / 'tls.crt'}",
        f"--tls-private-key-file={keys / 'tls.key'}",
        *(
            f"--{what}-kubeconfig={layout.kubeconfig}"
            for what in ("authentication", "authorization", "lister")
        ),
    ]
    log = folder / "keda-operator.log"
    with process(operator, log, environ) as started:
        wait_for(f"http://{LOOPBACK}:{health}/readyz", started, log)
        with process(adapter, folder / "keda-adapter.log", environ):
            what = "apiservices/v1beta1.external.metrics.k8s.io"
            kubectl.wait(what, "condition=Available", seconds=READY_SECONDS)
            yield


def wait_for(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    """Until a program says that it is ready."""

    def answers() -> bool:
        assert started.poll() is None, log.read_text(encoding="utf-8")[-3000:]
        try:
            return httpx.get(url, timeout=1, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    assert wait_until(answers, READY_SECONDS), log.read_text(encoding="utf-8")[-3000:]

"""The trial: a facility's server from the built images, upgraded, used, changed while it runs, and restored.

The database of release 0.1 in tests/upgrade is the one that is upgraded, so old and new results are in it.
"""

from __future__ import annotations

import gzip
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.well_known import computed_spectra, well_known_molecules
from tools.facility.client import Client, Traffic
from tools.facility.compose import Service, load_services
from tools.facility.containers import NAME_SERVER, Failed, Podman

_OLD_DATABASE = Path("tests/upgrade/release-0.1.sql.gz")
_OLD_JOB = "00000000-0000-0000-0000-000000000001"
_LIBRARY = "Trial"
_BATCH = 16
_PORT = 8443
# All containers share one loopback interface, so the two web containers need an address each.
_WEB = {"web-1": "127.0.0.31", "web-2": "127.0.0.32"}
_HOSTS = [
    *((address, "web") for address in _WEB.values()),
    ("127.0.0.21", "postgres"),
    ("127.0.0.22", "redis"),
]
_DUMP = ["pg_dump", "--username", "glmr", "--format", "custom", "glmr"]
_RESTORE = ["pg_restore", "--username", "glmr", "--dbname", "glmr", "--clean", "--if-exists"]


class Trial:
    """The steps, in order. Each raises if what it checks does not hold."""

    def __init__(self, podman: Podman, project: Path, folder: Path) -> None:
        self.podman = podman
        self.project = project
        self.folder = folder
        self.services = self._load_services()
        self.certificate = folder / "tls" / "site.pem"
        self._started: set[str] = set()
        self._batch: dict[str, Any] = {}

    def _load_services(self) -> dict[str, Service]:
        variables = {
            "GLMR_DATABASE_PASSWORD": secrets.token_hex(16),
            "GLMR_SECRET_KEY": secrets.token_urlsafe(50),
            "GLMR_WEB_WORKERS": "1",  # two containers, as `replicas` says
            "GLMR_BATCH_SIZE": "2",  # so that a worker is replaced in the middle of a job
        }
        files = [self.project / "docker" / name for name in ("compose.yaml", "compose.proxy.yaml")]
        services = load_services(files, variables)
        # On loopback the proxy has another address than on the network of Docker.
        web = services["web"]
        services["web"] = replace(web, environment={**web.environment, "GLMR_TRUSTED_PROXIES": "127.0.0.0/8"})
        proxy = services["proxy"]
        tls = (str(self.folder / "tls"), "/etc/glmr/tls")
        kept = [volume for volume in proxy.volumes if volume[1] != tls[1]]
        services["proxy"] = replace(proxy, volumes=(*kept, tls))
        return services

    # --- Steps -------------------------------------------------------------------------------------

    def check_images(self) -> None:
        for image in ("glmr-web", "glmr-worker"):
            found = self.podman.image(image)
            size = found["Size"]
            assert isinstance(size, int)
            print(f"        {image}: {size / 1e6:.0f} MB, user {found['User']}")
            assert found["User"] == "10001"
        script = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
        web, worker = self.services["web"], self.services["worker"]
        self.podman.run(worker, ["python", "-c", script])
        try:
            self.podman.run(web, ["python", "-c", script])
        except Failed:
            pass
        else:
            raise AssertionError("The web image contains torch.")
        writes = "touch /srv/glmr/x 2>/dev/null || touch /usr/x 2>/dev/null"
        attempt = f"{writes} || (touch /data/x /tmp/x && rm /data/x /tmp/x && id -u)"
        for service in (web, worker):
            assert self.podman.run(service, ["sh", "-c", attempt]).strip() == b"10001", service.name

    def start_stores(self) -> None:
        (self.folder / "hosts").write_text("".join(f"{address} {name}\n" for address, name in _HOSTS))
        names = [
            "dnsmasq",
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=",
        ]
        names += [f"--listen-address={NAME_SERVER}", "--addn-hosts=/etc/glmr/hosts", "--pid-file="]
        postgres = self.services["postgres"]
        name_server = replace(
            postgres,
            name="names",
            command=tuple(names),
            environment={},
            volumes=((str(self.folder / "hosts"), "/etc/glmr/hosts"),),
        )
        self.podman.start(name_server, "names")
        self.podman.start(self.services["redis"], "redis")
        self._start_postgres()
        self.podman.wait_for("redis", "redis-cli", "ping")

    def upgrade(self) -> None:
        with gzip.open(self.project / _OLD_DATABASE) as dump:
            self.podman.execute(
                "postgres", "psql", "--quiet", "--username", "glmr", "--set", "ON_ERROR_STOP=1", "glmr",
                given=dump.read(),
            )  # fmt: skip
        before = self._count_rows()
        self._migrate()
        assert self._count_rows() == before, "The upgrade changed the number of rows."
        assert all(before), before
        plan = self._manage("migrate", "--plan")
        assert plan.strip().endswith("No planned migration operations."), plan

    def start_server(self) -> None:
        for name in _WEB:
            self._start_web(name)
        for name in ("worker-1", "worker-2"):
            self.podman.start(self.services["worker"], name)
        self.podman.start(self.services["exporter"], "exporter")
        self.podman.start(self.services["beat"], "beat")
        self._make_certificate()
        self.podman.start(self.services["proxy"], "proxy")
        for name in _WEB:
            self.podman.wait_until_healthy(name, "glmr-web")
        for name in ("worker-1", "worker-2"):
            self.podman.wait_until_healthy(name, "glmr-worker")
        self._wait_for_proxy()

    def annotate(self) -> None:
        self._manage("create_logins")
        self._import_library()
        self.tokens = [self._issue_token(name) for name in ("batch", "traffic")]
        self.client = self._client(self.tokens[0])
        submitted = self.client.expect(202, "POST", "/api/v1/jobs", self._document(_BATCH), key="batch")
        again = self.client.expect(202, "POST", "/api/v1/jobs", self._document(_BATCH), key="batch")
        assert again.json["id"] == submitted.json["id"]
        self._batch = submitted.json

    def replace_while_it_runs(self) -> None:
        """One worker and one web container are stopped and new ones started, under traffic."""
        traffic = Traffic(self._client(self.tokens[1]), self._document(1))
        traffic.start()
        try:
            running = self._wait_for_first_results()
            self.podman.stop("worker-1", self.services["worker"].stop_grace_s)
            self._start_web_again("web-1")
            self.podman.start(self.services["worker"], "worker-3")
            self.podman.wait_until_healthy("worker-3", "glmr-worker")
            self.podman.stop("worker-2", self.services["worker"].stop_grace_s)
            time.sleep(3)
        finally:
            traffic.stop()
        print(f"        batch before: {running['progress']['done']} of {_BATCH} done")
        print(f"        {traffic.answered} requests answered, {len(traffic.failures)} failed")
        assert not traffic.failures, "\n".join(traffic.failures[:10])
        assert traffic.answered > 30
        assert not running["finished_at"], (
            "The batch had ended before anything was replaced: it proves nothing."
        )
        for job_id in [self._batch["id"], *traffic.jobs]:
            progress = self.client.wait_for_job(job_id)["progress"]
            assert progress["failed"] == progress["pending"] == progress["running"] == 0, progress
            assert progress["done"] + progress["no_match"] + progress["unusable"] == progress["total"], (
                progress
            )
        for name in ("web-2", "worker-3", "exporter", "beat"):
            print(f"        memory of {name}: {self._memory_mb(name):.0f} MB")
        print(f"        {1 + len(traffic.jobs)} jobs ended, none with a failed or open feature")
        assert len(set(traffic.jobs)) == len(traffic.jobs)

    def back_up_and_restore(self) -> None:
        before = self._results()
        dump = self.podman.execute("postgres", *_DUMP)
        files = self.podman.execute("web-1", "tar", "--create", "--gzip", "--directory", "/data", "media")
        for name in ("web-1", "web-2", "worker-3", "exporter", "beat", "postgres"):
            self.podman.remove(name)
        for volume in ("postgres", "data", "temporary"):
            self.podman.call("volume", "rm", volume)
        self._start_postgres()
        self.podman.execute("postgres", *_RESTORE, given=dump)
        self.podman.run(
            self.services["web"], ["tar", "--extract", "--gzip", "--directory", "/data"], given=files
        )
        self._migrate()
        for name in _WEB:
            self._start_web(name)
        self._wait_for_proxy()
        assert self._results() == before, "Results differ after the restore."
        print(f"        dump {len(dump) / 1e6:.1f} MB, files {len(files) / 1e6:.1f} MB")

    # --- Parts -------------------------------------------------------------------------------------

    def _start_postgres(self) -> None:
        self.podman.start(self.services["postgres"], "postgres")
        self.podman.wait_for(
            "postgres", "pg_isready", "--host", "127.0.0.1", "--username", "glmr", "--dbname", "glmr"
        )

    def _start_web(self, name: str) -> None:
        self.podman.start(self.services["web"], name, {"GLMR_BIND": f"{_WEB[name]}:8000"})

    def _start_web_again(self, name: str) -> None:
        self.podman.stop(name, self.services["web"].stop_grace_s)
        self._start_web(name)
        self.podman.wait_until_healthy(name, "glmr-web")

    def _migrate(self) -> None:
        service = self.services["migrate"]
        self.podman.run(service, list(service.command))

    def _manage(self, *arguments: str) -> str:
        return self.podman.run(self.services["web"], ["python", "manage.py", *arguments]).decode()

    def _issue_token(self, name: str) -> str:
        text = self._manage(
            "issue_token", name, "--user", "submitter", "--project", "demonstration", "--days", "1"
        )
        return text.strip().splitlines()[-1]

    def _count_rows(self) -> list[str]:
        tables = ("job", "jobitem", "spectrum", "annotation", "candidate", "verdict", "molecule")
        query = " UNION ALL ".join(f"SELECT count(*) FROM annotation_{table}" for table in tables)  # noqa: S608
        text = self.podman.execute(
            "postgres",
            "psql",
            "--username",
            "glmr",
            "--tuples-only",
            "--no-align",
            "--command",
            query,
            "glmr",
        )
        return text.decode().split()

    def _memory_mb(self, name: str) -> float:
        """Resident memory of all processes of a container together, in MB."""
        text = self.podman.execute(name, "sh", "-c", "cat /proc/[0-9]*/status").decode()
        return sum(int(kib) for kib in re.findall(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE)) * 1024 / 1e6

    def _make_certificate(self) -> None:
        (self.folder / "tls").mkdir(exist_ok=True)
        pem = self.podman.run(
            replace(self.services["redis"], volumes=()),
            [
                *("sh", "-c"),
                "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
                "-addext subjectAltName=DNS:localhost -keyout /dev/stdout 2>/dev/null",
            ],
        )
        self.certificate.write_bytes(pem)
        self.certificate.chmod(0o644)  # the folder above is closed, and the proxy is not root

    def _wait_for_proxy(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if self._client("").send("GET", "/healthz").status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Failed(f"The proxy does not answer.\n{self.podman.logs('proxy')[-3000:]}")
            time.sleep(0.5)

    def _client(self, token: str) -> Client:
        return Client(_PORT, str(self.certificate), token)

    def _import_library(self) -> None:
        """The molecules of the spectra, and no others: a worker embeds them in seconds."""
        rows = [f"{m.smiles} {m.name}" for m in well_known_molecules() if m.computed_adducts]
        self.podman.run(
            self.services["web"],
            [
                "sh",
                "-c",
                f"cat > /tmp/trial.smi && python manage.py import_library {_LIBRARY} /tmp/trial.smi",
            ],
            given="\n".join(rows).encode(),
        )

    def _wait_for_first_results(self) -> dict[str, Any]:
        """The batch when some of its features are done. Raises TimeoutError."""
        deadline = time.monotonic() + 240
        while True:
            job: dict[str, Any] = self.client.expect(200, "GET", f"/api/v1/jobs/{self._batch['id']}").json
            if job["progress"]["done"] or job["finished_at"]:
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nothing was annotated: {job['progress']}")
            time.sleep(0.3)

    def _document(self, n_spectra: int) -> dict[str, Any]:
        spectra = [
            {
                "external_id": f"spectrum-{number}",
                "precursor_mz": spectrum.precursor_mz,
                "adduct": spectrum.adduct,
                "collision_energy": spectrum.collision_energy,
                "peaks": [
                    [float(mz), float(i)] for mz, i in zip(spectrum.mz, spectrum.intensity, strict=True)
                ],
            }
            for number, spectrum in enumerate(computed_spectra()[:n_spectra])
        ]
        return {"name": "Trial", "library": _LIBRARY, "spectra": spectra}

    def _results(self) -> list[bytes]:
        """The table of the new job and, as a superuser's command sees it, that of the job of release 0.1."""
        new = self.client.expect(200, "GET", f"/api/v1/jobs/{self._batch['id']}/results.csv").body
        export = f"python manage.py export {_OLD_JOB} --out /tmp/old.csv >/dev/null && cat /tmp/old.csv"
        old = self.podman.run(self.services["web"], ["sh", "-c", export])
        assert len(new.splitlines()) > _BATCH
        assert len(old.splitlines()) == 5
        return [new, old]


@contextmanager
def timed(title: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{time.strftime('%T')}  {title}", flush=True)
    yield
    print(f"        held, {time.monotonic() - started:.0f} s", flush=True)


STEPS = (
    ("The images hold what they should: no torch for web, no root, read-only", Trial.check_images),
    ("PostgreSQL with pgvector, Redis and a name server start", Trial.start_stores),
    ("The database of release 0.1 is upgraded, and no row is lost", Trial.upgrade),
    (
        "Two web containers, two workers, exporter, beat and the proxy start and are healthy",
        Trial.start_server,
    ),
    ("A batch is submitted over REST, twice with one key: one job", Trial.annotate),
    (
        "Workers and a web container are replaced: no request fails, nothing is lost",
        Trial.replace_while_it_runs,
    ),
    ("A backup restores the same results on empty volumes", Trial.back_up_and_restore),
)


def hide(text: str) -> str:
    """The text without the passwords of addresses, for logs that others read."""
    return re.sub(r"(://[^:/\s]+:)[^@\s]+@", r"\1***@", text)

"""Containers without a daemon, by podman and crun, in the network namespace of this process.

That namespace has only the loopback interface, so every server of the trial is out of reach of the machine.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tools.facility.compose import Service

NAME_SERVER = "127.0.0.11"  # as on a network of Docker
# Images that stand in for those of a registry, see docker/try/stores.Dockerfile.
_STAND_IN = "localhost/glmr-stores"
_OWN = {"glmr-web": "localhost/glmr-web", "glmr-worker": "localhost/glmr-worker"}


class Failed(Exception):
    """A command in or about a container failed; the text holds what it printed."""


class Podman:
    """The images and containers below one folder, which docker/build.sh has filled."""

    def __init__(self, folder: Path, project: Path) -> None:
        self._folder = folder
        self._project = project
        self._command = [
            *("podman", "--root", str(folder / "storage"), "--runroot", str(folder / "run")),
            *(
                "--tmpdir",
                str(folder / "podman"),
                "--storage-driver",
                (folder / "driver").read_text().strip(),
            ),
            *("--cgroup-manager", "cgroupfs", "--runtime", "crun"),
        ]
        (folder / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")

    def call(self, *arguments: str, given: bytes | None = None, timeout_s: float = 180.0) -> bytes:
        """What the podman command writes to standard output. Raises Failed."""
        done = subprocess.run(
            [*self._command, *arguments], input=given, capture_output=True, timeout=timeout_s, check=False
        )
        if done.returncode != 0:
            raise Failed(f"podman {' '.join(arguments)[:300]}\n{done.stderr.decode()[-3000:]}")
        return done.stdout

    def clear(self) -> None:
        """Remove all containers and volumes of the folder. The images stay."""
        self.call("rm", "--all", "--force", "--volumes", "--time", "0")
        self.call("volume", "prune", "--force")

    def start(self, service: Service, name: str, settings: Mapping[str, str] | None = None) -> None:
        self.call("run", "--detach", "--name", name, *self._options(service, name, settings or {}))

    def run(self, service: Service, command: list[str], given: bytes | None = None) -> bytes:
        """Run another command with the settings of a service, as `docker compose run --rm` does."""
        options = self._options(service, "once", {}, command)
        return self.call("run", "--rm", "--interactive", *options, given=given)

    def execute(self, name: str, *command: str, given: bytes | None = None) -> bytes:
        return self.call("exec", "--interactive", name, *command, given=given)

    def stop(self, name: str, grace_s: int) -> None:
        self.call("stop", "--time", str(grace_s), name, timeout_s=grace_s + 30.0)
        self.call("rm", name)

    def remove(self, name: str) -> None:
        self.call("rm", "--force", "--time", "0", name)

    def logs(self, name: str) -> str:
        done = subprocess.run(
            [*self._command, "logs", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.stdout.decode(errors="replace")

    def image(self, image: str) -> dict[str, object]:
        return dict(json.loads(self.call("image", "inspect", f"localhost/{image}"))[0])

    def wait_until_healthy(self, name: str, image: str, timeout_s: float = 120.0) -> float:
        """Seconds until the health check of the image succeeds. Raises Failed with the log."""
        check = self.image(image)["Healthcheck"]
        assert isinstance(check, dict)
        return self.wait_for(name, *check["Test"][1:], timeout_s=timeout_s)

    def wait_for(self, name: str, *command: str, timeout_s: float = 120.0) -> float:
        started = time.monotonic()
        while True:
            try:
                self.execute(name, *command)
                return time.monotonic() - started
            except Failed as problem:
                ended = "running containers" in str(problem)
                if ended or time.monotonic() - started > timeout_s:
                    raise Failed(f"{name} is not healthy: {problem}\n{self.logs(name)[-3000:]}") from None
            time.sleep(0.5)

    def _options(
        self, service: Service, name: str, settings: Mapping[str, str], command: list[str] | None = None
    ) -> list[str]:
        own = _OWN.get(service.image)
        options = [
            *("--network", "host", "--cgroups", "disabled", "--no-healthcheck", "--hostname", name),
            *("--log-driver", "k8s-file"),
            *("--volume", f"{self._folder / 'resolv.conf'}:/etc/resolv.conf:ro"),
            *(f"--cap-drop={right}" for right in service.cap_drop),
            *(f"--security-opt={option.replace(':true', '')}" for option in service.security_opt),
            *(f"--env={key}={value}" for key, value in {**service.environment, **settings}.items()),
        ]
        if service.read_only:
            options += ["--read-only", "--read-only-tmpfs=false"]
        if service.stop_signal:
            options.append(f"--stop-signal={service.stop_signal}")
        for source, target in service.volumes:
            place = str(self._project / "docker" / source) if source.startswith(".") else source
            options += ["--volume", f"{place}:{target}" + (":ro" if source.startswith(".") else "")]
        return [*options, own or _STAND_IN, *(command or service.command)]

"""A lockgate of the test's own: the built binary on a free port, gone when the test is."""

import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("LOCKGATE_BINARY", ROOT / "target/debug/lockgate"))
TARGET = Path(os.environ.get("LOCKGATE_TARGET", ROOT / "target"))
START_SECONDS = 30

# Variables that would change what a started gateway does.
OWN_VARIABLES = ("MLFLOW_GATEWAY_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG")


def environment(**more):
    """The environment of a program under test: this one's, without what would change it."""
    own = lambda name: name in OWN_VARIABLES or name.startswith("LOCKGATE_")
    kept = {name: value for name, value in os.environ.items() if not own(name)}
    return {**kept, **more}


class Gateway:
    """A running gateway; without a config it serves the built-in demo routes."""

    def __init__(self, folder, config=None, **variables):
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.yaml"
        self._log = folder / "gateway.log"
        words = [str(BINARY), "start", "--port", "0"]
        if config is not None:
            self.config.write_text(config)
            words += ["--config-path", str(self.config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(**variables),
            )
        self.url = self._wait_for_url()

    def log(self):
        """All that the gateway has logged."""
        return self._log.read_text(errors="replace")

    def _wait_for_url(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"listening on (https?://127\.0\.0\.1:\d+)", self.log())
            if found:
                return found.group(1)
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise AssertionError(f"the gateway did not start:\n{self.log()}")

    def stop(self):
        """Ends it as an operator would, and says its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the gateway did not end when told to:\n{self.log()}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def until(what, seconds=20):
    """What `what()` says once that is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.05)

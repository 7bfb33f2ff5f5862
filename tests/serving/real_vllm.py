"""A real vLLM server on the CPU with the default base; `make test-vllm` installs it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from lorify.base.files.locate import DEFAULT_BASE, resolve_base

MAX_LORA_RANK = 256
START_SECONDS = 900


class RealVllm:
    """A running vLLM server."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._process = process

    def adapters(self) -> list[str]:
        """Names of the loaded adapters."""
        models = httpx2.get(f"{self.url}/v1/models", timeout=60).json()["data"]
        return [model["id"] for model in models if model["parent"]]

    def num_running(self) -> float:
        """Number of answers being generated."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=60).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running"))

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(120)


@contextmanager
def real_vllm(adapters_dir: Path, log_path: Path) -> Iterator[RealVllm]:
    """Start vLLM in float32, with the resolver that looks for adapters in `adapters_dir`.

    Compared answers are computed in float32 on both sides, as bfloat16 rounds differently in each implementation.
    """
    program = os.environ.get("LORIFY_TEST_VLLM")
    if program is None:
        pytest.skip("`make test-vllm` installs vLLM")
    port = free_port()
    command = [program, "serve", str(resolve_base(DEFAULT_BASE)), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--enable-lora", "--max-lora-rank", str(MAX_LORA_RANK), "--max-loras", "2", "--max-cpu-loras", "4"]
    command += ["--lora-target-modules", "down_proj", "--dtype", "float32", "--enforce-eager"]
    command += ["--max-model-len", "1024", "--max-num-batched-tokens", "1024", "--max-num-seqs", "8"]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(adapters_dir),
    }
    adapters_dir.mkdir(exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    server = RealVllm(f"http://127.0.0.1:{port}", process)
    try:
        wait_until_healthy(server.url, process, log_path)
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log_path.read_text(errors="replace")[-3000:]
        try:
            if not httpx2.get(f"{url}/health", timeout=10).is_error:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError(f"vLLM is not up after {START_SECONDS} s; see {log_path}")

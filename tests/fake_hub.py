"""A server in this process that speaks as much of the Hugging Face hub's HTTP API as downloads and uploads need."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


class FakeHub:
    """Repositories by name, each with its revisions; the first one is `main`.

    Attributes:
        repos: repository -> revision -> files.
        gated: repositories that answer that they are gated.
        num_requests: number of requests so far.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Files]] = {}
        self.gated: set[str] = set()
        self.num_requests = 0

    def revision(self, repo: str, name: str) -> tuple[str, Files] | None:
        """The commit and the files of a branch or a commit."""
        for branch, files in self.repos.get(repo, {}).items():
            commit = hashlib.sha1(f"{repo}@{branch}".encode()).hexdigest()
            if name in (branch, commit):
                return commit, files
        return None


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of huggingface_hub out of a `FakeHub`."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, document: object) -> None:
        self.reply(200, json.dumps(document).encode(), Content_Type="application/json")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.num_requests += 1
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        repo = "/".join(parts[2:4] if is_api else parts[:2])
        if repo in self.hub.gated:
            return self.reply(403, X_Error_Code="GatedRepo", X_Error_Message="gated")
        if repo not in self.hub.repos:
            return self.reply(404, X_Error_Code="RepoNotFound", X_Error_Message="not found")
        found = self.hub.revision(repo, parts[5] if is_api and len(parts) > 5 else "main" if is_api else parts[3])
        if found is None:
            return self.reply(404, X_Error_Code="RevisionNotFound", X_Error_Message="no such revision")
        commit, files = found
        if is_api and "tree" in parts:
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
            return self.reply_json(entries)
        if is_api:
            return self.reply_json({"id": repo, "sha": commit, "siblings": [{"rfilename": n} for n in files]})
        content = files.get("/".join(parts[4:]))
        if content is None:
            return self.reply(404, X_Error_Code="EntryNotFound", X_Error_Message="no such file")
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        self.reply(200, content, ETag=etag, X_Repo_Commit=commit)

    def do_POST(self) -> None:
        self.hub.num_requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.read_chunks()
        path = urlsplit(self.path).path
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.repos.setdefault(repo, {"main": {}})
            return self.reply_json({"url": f"http://{self.headers['Host']}/{repo}", "name": repo})
        repo = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for f in json.loads(body)["files"]
            ]
            return self.reply_json({"files": files})
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.hub.repos[repo]["main"][value["path"]] = base64.b64decode(value["content"])
            url = f"http://{self.headers['Host']}/{repo}/commit/{'0' * 40}"
            return self.reply_json({"commitUrl": url, "commitOid": "0" * 40, "success": True})
        self.reply_json({"errors": [], "warnings": []})  # the check of a card

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


@contextmanager
def running_hub() -> Iterator[tuple[FakeHub, str]]:
    """Run a hub, and yield it with its address."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

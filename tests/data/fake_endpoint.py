"""A small OpenAI-compatible endpoint on this machine; what it answers is the test's."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class NotServed(Exception):
    """The endpoint does not know what is asked for: 404."""


@contextmanager
def serving(answer: Callable[[str, dict], dict]) -> Iterator[str]:
    """Address of an endpoint that gives `answer(path, body)`, to several clients at a time."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._reply({})

        def do_POST(self):
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body):
            try:
                status, content = 200, json.dumps(answer(self.path, body)).encode()
            except NotServed:
                status, content = 404, b"{}"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def chat_completion(text: str) -> dict:
    """A chat answer in OpenAI's form."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}

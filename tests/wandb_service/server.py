"""The service itself: HTTP on a loopback port, in a thread of this process."""

import base64
import gzip
import json
import re
import threading
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import file_stream
from .faults import Fault, Kind
from .graphql import RefusedError, UnknownFieldError, execute
from .runs import RunSchema
from .state import Artifact, Run, State

OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")


class Server(ThreadingHTTPServer):
    """Keeps its open connections, so that a stop drops them as a death would."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    service: "WandbService"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed is no error of the service."""


class Schema(RunSchema):
    """The whole schema, with the storage behind it."""

    def __init__(self, state: State, base_url: str, folder: Path) -> None:
        super().__init__(state, base_url)
        self.folder = folder

    def has_content(self, md5: str) -> bool:
        return (self.folder / "content" / md5).exists()

    def entries(self, artifact: Artifact) -> dict[str, dict[str, Any]]:
        path = self.folder / "manifests" / (artifact.manifest or "none")
        return json.loads(path.read_bytes())["contents"] if path.exists() else {}


class WandbService:
    """A W&B server for one test: see the package's docstring.

    Attributes:
        state: what it holds.
        unknown: what was asked and is not known; a test asserts that it is empty.
        requests: (path, operation) of every request, in order; what a fault met is among them.
        uploads: storage paths that bytes were put to.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.port = folder, port
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = State.load(folder)
        self.lock = threading.RLock()
        self.unknown = self.unknown_file.read_text().splitlines() if self.unknown_file.exists() else []
        self.requests: list[tuple[str, str]] = []
        self.uploads: list[str] = []
        self.faults: list[Fault] = []
        self.connections: set[Any] = set()
        self.server: Server | None = None

    @property
    def unknown_file(self) -> Path:
        """Where a service in a process of its own leaves what it was asked and does not know."""
        return self.folder / "unknown.txt"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "WandbService":
        """Listen; after ``stop``, on the same port with what was held."""
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.service = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Die: the port refuses, open connections are dropped."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(2)

    def fault(self, kind: Kind, path: str = ".*", *, times: int | None = None, seconds: float = 1.0) -> Fault:
        """Let requests fail from now on, ``times`` of them or until ``heal``."""
        fault = Fault(kind, path, times, seconds)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """End all faults."""
        self.faults.clear()

    def run(self, entity: str, project: str, name: str) -> Run:
        return self.state.runs[entity, project, name]

    def history(self, entity: str, project: str, name: str) -> list[dict[str, Any]]:
        """The rows of a run as the service holds them, in the order of its lines."""
        with self.lock:
            return self.run(entity, project, name).history

    def config(self, entity: str, project: str, name: str) -> dict[str, Any]:
        """The config of a run without the client's own entry."""
        held = self.run(entity, project, name).config
        return {key: entry["value"] for key, entry in held.items() if key != "_wandb"}

    def artifacts(self, entity: str, project: str, collection: str) -> list[Artifact]:
        """The committed versions of a collection, newest first."""
        return Schema(self.state, self.base_url, self.folder).versions(entity, project, collection)

    def delete(self, entity: str, project: str, name: str) -> None:
        """Delete a run as a person would; its id can never be used again."""
        with self.lock:
            self.state.runs.pop((entity, project, name), None)
            self.state.deleted.add((entity, project, name))

    def answer(self, method: str, path: str, operation: str, body: bytes) -> tuple[int, bytes]:
        """The status and body of the reply to one request that no fault met."""
        try:
            with self.lock:
                reply = self.route(method, path, body)
                if method != "GET":
                    self.state.save(self.folder)
        except RefusedError as refused:
            errors = [{"message": refused.message}]
            return refused.status, json.dumps(
                {"errors": errors, "error": refused.message, "data": None}
            ).encode()
        except (UnknownFieldError, KeyError, TypeError, ValueError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
            self.unknown.append(f"{method} {path} {operation}: {told}; body {body[-2000:]!r}")
            self.unknown_file.write_text("\n".join(self.unknown))
            return 400, json.dumps({"errors": [{"message": f"unknown: {error}"}]}).encode()
        return 200, reply if isinstance(reply, bytes) else json.dumps(reply).encode()

    def route(self, method: str, path: str, body: bytes) -> Any:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if path == "/graphql":
            asked = json.loads(body)
            schema = Schema(self.state, self.base_url, self.folder)
            return {"data": execute(asked["query"], asked.get("variables") or {}, schema.roots())}
        if parts[0] == "files" and parts[-1] == "file_stream":
            run = self.state.runs.get((parts[1], parts[2], parts[3]))
            if run is None:
                raise RefusedError(404, "run not found")
            return file_stream.receive(run, json.loads(body))
        if parts[0] == "storage" and method in ("GET", "PUT") and ".." not in parts:
            return self.storage(method, parts[1:], body)
        raise UnknownFieldError("path")

    def storage(self, method: str, parts: list[str], body: bytes) -> bytes:
        """Bytes of artifacts and files: put by wandb-core's uploads, read by ``Artifact.download``."""
        place = self.folder.joinpath(*parts)
        if method == "GET":
            if not place.is_file():
                raise RefusedError(404, "no such object")
            return place.read_bytes()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        self.uploads.append("/".join(parts))
        return b""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.service.connections.add(self.connection)

    def finish(self) -> None:
        self.server.service.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""

    def __getattr__(self, name: str) -> Any:
        """``do_GET`` and its kin: every method is treated alike."""
        if name.startswith("do_"):
            return self.respond
        raise AttributeError(name)

    def respond(self) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        path = urlsplit(self.path).path
        named = OPERATION.search(json.loads(body)["query"]) if path == "/graphql" and body else None
        operation = named.group(1) if named else ""
        service.requests.append((path, operation))
        fault = next((f for f in list(service.faults) if f.meets(f"{path}/{operation}")), None)
        if fault is not None and not self.suffer(fault):
            return
        if not path.startswith("/storage/") and not self.authorised():
            self.reply(401, b'{"errors":[{"message":"user is not logged in"}]}')
            return
        status, reply = service.answer(self.command, path, operation, body)
        if fault is not None and fault.kind == "drop-answer":
            self.hang_up()
            return
        self.reply(status, reply)

    def suffer(self, fault: Fault) -> bool:
        """Show a fault; true: the request is to be taken all the same."""
        if fault.kind in ("500", "429", "401"):
            self.reply(int(fault.kind), b'{"errors":[{"message":"fault on purpose"}]}')
            return False
        if fault.kind in ("hang", "delay"):
            time.sleep(fault.seconds)
        if fault.kind in ("hang", "drop"):
            self.hang_up()
            return False
        return True

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(2)

    def authorised(self) -> bool:
        """The key arrives as the password of HTTP's basic authentication."""
        wanted = self.server.service.state.key
        sent = self.headers.get("Authorization", "").removeprefix("Basic ")
        return wanted is None or base64.b64decode(sent).decode().partition(":")[2] == wanted

    def reply(self, status: int, body: bytes) -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

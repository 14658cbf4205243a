"""A server of ranges of files on this machine, with latency, a cap and faults."""

import json
import math
import os
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_PIECE_BYTES: Final = 128 << 10
"""Answers that share the link take turns after so many bytes."""

_BURST_S: Final = 0.005
"""How much of its time the link makes up for: a thread may sleep too long."""


@dataclass
class Server:
    """Serves the files of a folder.

    Attributes
    ----------
    folder : Path
        The folder.
    latency_s : float
        Time before each answer.
    bytes_per_s : float
        Speed of the link, which all answers share.
    e_tag : str or None
        Kind of ETags: ``"strong"``, ``"weak"``, or none.
    has_conditions : bool
        Whether conditions (``If-Match``) are understood.
    has_ranges : bool
        Whether ranges are understood.
    faults : dict
        Probability of each fault: a status such as ``"503"``, ``"reset"``,
        ``"truncated"``, ``"wrong"`` bytes, a body without an ``"end"``, or
        ``"silent"`` for ever.
    counts : str
        A name under which requests and bytes since the last such request are told.
    ranges : list of (int, int)
        What was sent.
    names : list of str
        The files that it was sent of.
    n_others : int
        Answers without a body: sizes of files, and files that are not there.
    gate : threading.Event
        Requests wait until it is set, as it is at first.
    waiting : list of str
        The ranges of those that have waited.
    conditions : list of str
        The ETags that were asked for; empty for none.
    moved : dict
        URLs to which some paths lead.
    asked : list of (str, str)
        Path and authorization of every request.
    """

    folder: Path
    latency_s: float = 0.0
    bytes_per_s: float = math.inf
    e_tag: str | None = "strong"
    has_ranges: bool = True
    has_conditions: bool = True
    faults: dict[str, float] = field(default_factory=dict)
    counts: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    n_others: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(0)
        self._link = threading.Lock()
        self._free_at = 0.0
        self.gate.set()
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"served": self})
        self._server = _HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        """Return the URL of a file."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def close(self) -> None:
        """Stop to serve."""
        self.gate.set()
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def take_time(self, n_bytes: int) -> None:
        """Wait as long as the link takes for some bytes, after those before them."""
        if math.isinf(self.bytes_per_s):
            return
        with self._link:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _BURST_S)
            self._free_at += n_bytes / self.bytes_per_s
            wait = self._free_at - now
        if wait > 0:
            time.sleep(wait)

    def fault(self) -> str:
        """Return the fault of the next answer; empty for none."""
        drawn = self.random.random()
        for name, probability in self.faults.items():
            if drawn < probability:
                return name
            drawn -= probability
        return ""

    @property
    def n_bytes(self) -> int:
        """Bytes that were asked for."""
        return sum(end - begin for begin, end in self.ranges)


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # else of 64 new connections most wait for a second


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it would hold back the ends of answers
    served: Server

    def do_HEAD(self) -> None:
        time.sleep(self.served.latency_s)
        path = self._file()
        if not path.is_file():
            self._answer(404)
            return
        self.served.n_others += 1
        status = path.stat()
        headers = {"Content-Length": status.st_size, "Accept-Ranges": "bytes"}
        self._begin(200, {**headers, **self._version(status)})

    def do_GET(self) -> None:
        if self.served.counts and self.path == f"/{self.served.counts}":
            self._tell_counts()
            return
        self.served.asked.append((self.path, self.headers.get("Authorization", "")))
        if self.path in self.served.moved:
            self._begin(
                302, {"Location": self.served.moved[self.path], "Content-Length": 0}
            )
            return
        time.sleep(self.served.latency_s)
        if not self.served.gate.is_set():
            self.served.waiting.append(self.headers.get("Range", ""))
            self.served.gate.wait()
        path = self._file()
        if not path.is_file():
            self._answer(404)
            return
        status = path.stat()
        e_tag = _e_tag(status)
        self.served.conditions.append(self.headers.get("If-Match", ""))
        is_other = self.headers.get("If-Match", e_tag) != e_tag
        if is_other and self.served.has_conditions:
            self._answer(412)
            return
        fault = self.served.fault()
        if fault.isdecimal():
            self._answer(int(fault))
        elif fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self._send(path, status, fault)

    def _file(self) -> Path:
        """Return the file of a request, whatever its query is."""
        return self.served.folder / unquote(urlsplit(self.path).path).lstrip("/")

    def _send(self, path: Path, status: os.stat_result, fault: str) -> None:
        begin, end = 0, status.st_size
        asked = self.headers.get("Range")
        if asked and self.served.has_ranges:
            first, last = asked.removeprefix("bytes=").split("-")
            if first:
                begin, end = int(first), min(int(last or end) + 1, end)
            else:
                begin = end - int(last)
        self.served.ranges.append((begin, end))
        self.served.names.append(self.path.lstrip("/"))
        if fault == "silent":
            self.served.ended.wait()
            self.close_connection = True
            return
        headers: dict[str, Any] = {
            "Content-Length": 1 << 60 if fault == "end" else end - begin,
            **self._version(status),
        }
        if asked and self.served.has_ranges:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{status.st_size}"
        self._begin(206 if "Content-Range" in headers else 200, headers)
        with path.open("rb") as file:
            if fault:
                file.seek(begin)
                self._send_wrongly(bytearray(file.read(end - begin)), fault)
            else:
                self._send_piece_by_piece(file.fileno(), begin, end)

    def _send_piece_by_piece(self, file: int, begin: int, end: int) -> None:
        """Send a range of a file, with the speed of the link."""
        while begin < end:
            n_bytes = min(_PIECE_BYTES, end - begin)
            self.served.take_time(n_bytes)
            while n_bytes:
                n_sent = os.sendfile(self.connection.fileno(), file, begin, n_bytes)
                begin, n_bytes = begin + n_sent, n_bytes - n_sent

    def _send_wrongly(self, body: bytearray, fault: str) -> None:
        """Send a body with a fault."""
        self.served.take_time(len(body))
        if fault == "wrong":
            body[len(body) // 2] ^= 1
        while fault == "end":
            self.wfile.write(body)
        if fault == "truncated":
            self.wfile.write(body[: len(body) // 2])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _version(self, status: os.stat_result) -> dict[str, str]:
        """Return the headers that tell versions of a file apart."""
        headers = {"Last-Modified": self.date_time_string(int(status.st_mtime))}
        if self.served.e_tag is not None:
            weak = "W/" if self.served.e_tag == "weak" else ""
            headers["ETag"] = weak + _e_tag(status)
        return headers

    def _tell_counts(self) -> None:
        """Answer with the number of requests and bytes, and begin anew."""
        n_requests = len(self.served.ranges) + self.served.n_others
        body = json.dumps([n_requests, self.served.n_bytes]).encode()
        self.served.ranges.clear()
        self.served.n_others = 0
        self._begin(200, {"Content-Length": len(body)})
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, Any]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _answer(self, status: int) -> None:
        """Answer without a body."""
        self.served.n_others += 1
        self._begin(status, {"Content-Length": 0})

    def handle(self) -> None:
        """Answer until the other side has gone."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _e_tag(status: os.stat_result) -> str:
    """Return the strong ETag of a file."""
    return f'"{status.st_mtime_ns}"'

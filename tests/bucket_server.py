"""A service that speaks S3 on this machine, whose requests are noted and may fail."""

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import make_server

BUCKET = "bucket"
REGION = "eu-central-1"
KEY = "key"


class Asked(NamedTuple):
    """A request.

    Attributes
    ----------
    method, key, query : str
        What was asked of which object.
    headers : dict
        Conditions and ranges, in lower case.
    """

    method: str
    key: str
    query: str
    headers: dict[str, str]


class BucketServer:
    """moto's S3, with one bucket.

    Attributes
    ----------
    asked : list of Asked
        All requests.
    fails : callable
        Returns "before" or "after" for a request that is answered by an error, and not
        done or done, and "" for others.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.asked: list[Asked] = []
        self.fails: Callable[[Asked], str] = lambda asked: ""
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        # moto keeps what it has in the process.
        urlopen(Request(f"{self.endpoint}/moto-api/reset", method="POST")).close()
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )
        self._client.create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        self.asked.clear()

    def url(self, key: str) -> str:
        """Return the URL of an object."""
        return f"s3://{BUCKET}/{key}"

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=BUCKET, Key=key)

    def contents(self) -> dict[str, bytes]:
        """Return all objects."""
        listed = self._client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            one["Key"]: self._client.get_object(Bucket=BUCKET, Key=one["Key"])[
                "Body"
            ].read()
            for one in listed
        }

    def unfinished(self) -> list[str]:
        """Return the objects whose parts are kept, though they are not complete."""
        listed = self._client.list_multipart_uploads(Bucket=BUCKET)
        return [one["Key"] for one in listed.get("Uploads", [])]

    def close(self) -> None:
        """Stop."""
        self._client.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        """Note a request, and answer it."""
        asked = Asked(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/"),
            environ["QUERY_STRING"],
            {
                name.removeprefix("HTTP_").replace("_", "-").lower(): value
                for name, value in environ.items()
                if name.startswith("HTTP_")
            },
        )
        self.asked.append(asked)
        when = self.fails(asked)
        if not when:
            return self._app(environ, start)
        if when == "after":
            b"".join(self._app(environ, lambda *_: lambda _: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("500 Failed", [("Content-Length", "0")])
        return [b""]

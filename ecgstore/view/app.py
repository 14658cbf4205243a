"""The web application: the page, and the routes that answer it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ecgstore.errors import EcgStoreError, RecordNotFoundError
from ecgstore.view.browse.table import MOST_ROWS, cells
from ecgstore.view.calls import Call, ConflictError, NotThereError, json_response
from ecgstore.view.page_files import page_file
from ecgstore.view.record.details import record_details
from ecgstore.view.record.median_beat import median_beat
from ecgstore.view.record.signal import MOST_VALUES, marks_in, stored_window
from ecgstore.view.shown import Shown

Handler = Callable[[Shown, Call], Any]


def store(shown: Shown, call: Call) -> Any:
    """Answer what is shown."""
    return shown.description()


def rows(shown: Shown, call: Call) -> Any:
    """Answer rows of the table."""
    begin = call.whole("from", 0)
    end = call.whole("to", begin + 100, begin, begin + MOST_ROWS)
    numbers = range(len(shown.store))[begin:end]
    return {
        "n_selected": len(shown.store),
        "from": begin,
        "rows": cells(shown.store, numbers, call.text("columns").split(",")),
    }


def record(shown: Shown, call: Call) -> Any:
    """Answer what is known of one record."""
    row = call.row(len(shown.store))
    return record_details(shown.store, row) | {"has_raw": shown.sources is not None}


def signal(shown: Shown, call: Call) -> Any:
    """Answer a window of a record's signal: float32 mV, lead by lead."""
    row, store = call.row(len(shown.store)), shown.store
    start, stop = _span(shown, call)
    if call.text("form", "stored") == "stored":
        window = stored_window(store, row, start, stop)
    elif shown.sources is None:
        raise NotThereError(
            f"{store.place}: no folder of the original records; start with --records"
        )
    else:
        window = shown.sources.window(row, start, stop)
    headers = {
        "X-Fs": f"{store.fs:g}",
        "X-Start": str(start),
        "X-Samples": str(window.shape[1]),
    }
    content = window.astype("<f4", copy=False).tobytes()
    return Response(content, 200, headers, "application/octet-stream")


def marks(shown: Shown, call: Call) -> Any:
    """Answer the marks in a window of a record."""
    row = call.row(len(shown.store))
    start, stop = _span(shown, call)
    return {"start": start, "marks": marks_in(shown.store, row, start, stop)}


def median(shown: Shown, call: Call) -> Any:
    """Answer the median beats of a record."""
    return median_beat(shown.store, call.row(len(shown.store)))


def _span(shown: Shown, call: Call) -> tuple[int, int]:
    """Return the window that is asked for: by default, the beginning of the record."""
    store = shown.store
    longest = MOST_VALUES // store.n_leads
    start = call.whole("start", 0, 0, store.n_samples)
    default = min(start + longest, store.n_samples)
    return start, call.whole("stop", default, start, default)


GET: Final[dict[str, Handler]] = {
    "/api/store": store,
    "/api/rows": rows,
    "/api/record/{row}": record,
    "/api/signal/{row}": signal,
    "/api/marks/{row}": marks,
    "/api/median/{row}": median,
}
POST: Final[dict[str, Handler]] = {}


def application(shown: Shown) -> Starlette:
    """Return the application; it is to be served behind a `Guard`."""
    routes = [
        *(Route(path, _endpoint(shown, one)) for path, one in GET.items()),
        *(
            Route(path, _endpoint(shown, one), methods=["POST"])
            for path, one in POST.items()
        ),
        Route("/{name:path}", page_file),
    ]
    return Starlette(routes=routes)


def _endpoint(shown: Shown, handler: Handler) -> Callable[[Request], Any]:
    """Return what answers a route in a thread, so that others are not held up."""

    async def endpoint(request: Request) -> Response:
        body = None
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
            except (ValueError, RecursionError, ClientDisconnect):
                return json_response({"error": "expected JSON"}, 400)
        call = Call(request.path_params, request.query_params, body)
        return await to_thread.run_sync(partial(_answer, shown, handler, call))

    return endpoint


def _answer(shown: Shown, handler: Handler, call: Call) -> Response:
    """Return what a route answers; an error is one line."""
    try:
        answer = handler(shown, call)
    except (NotThereError, RecordNotFoundError) as error:
        return json_response({"error": str(error)}, 404)
    except ConflictError as error:
        return json_response({"error": str(error)}, 409)
    except EcgStoreError as error:
        return json_response({"error": str(error)}, 400)
    return answer if isinstance(answer, Response) else json_response(answer)

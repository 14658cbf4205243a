"""The web application: the page, and the routes that answer it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError, RecordNotFoundError
from ecgstore.view.browse.facets import MOST_FACETS, facets as of_facets
from ecgstore.view.browse.filters import Filter
from ecgstore.view.browse.table import MOST_COLUMNS, MOST_ROWS, cells, place as place_of
from ecgstore.view.calls import Call, ConflictError, NotThereError, json_response
from ecgstore.view.page_files import page_file
from ecgstore.view.shown import Shown

Handler = Callable[[Shown, Call], Any]


def store(shown: Shown, call: Call) -> Any:
    """Answer what is shown."""
    return shown.description()


def facets(shown: Shown, call: Call) -> Any:
    """Answer counts of what is selected."""
    filter_ = Filter.read(call.text("filter"))
    return {
        "n_selected": len(shown.browsing.selected(filter_)),
        "facets": of_facets(shown.browsing, filter_, call.names("facets", MOST_FACETS)),
    }


def rows(shown: Shown, call: Call) -> Any:
    """Answer rows of the table."""
    selected = _selected(shown, call)
    begin = call.whole("from", 0)
    end = call.whole("to", begin + 100, begin, begin + MOST_ROWS)
    numbers = np.asarray(selected[begin:end], np.int64)
    columns = call.names("columns", MOST_COLUMNS)
    return {
        "n_selected": len(selected),
        "from": begin,
        "rows": cells(shown.browsing, numbers, columns),
    }


def place(shown: Shown, call: Call) -> Any:
    """Answer where a row is among those selected."""
    row = call.whole("row", 0, 0, max(len(shown.store) - 1, 0))
    return place_of(_selected(shown, call), row)


def _selected(shown: Shown, call: Call) -> IntArray | range:
    """Return the rows that the page asks for, in its order."""
    return shown.browsing.selected(
        Filter.read(call.text("filter")),
        call.text("sort"),
        call.text("descending") == "1",
    )


def record(shown: Shown, call: Call) -> Any:
    """Answer one record."""
    row = call.row(len(shown.store))
    columns = ["source", "age", "sex", "fold"]
    [values] = cells(shown.browsing, np.array([row]), columns)
    return values


GET: Final[dict[str, Handler]] = {
    "/api/store": store,
    "/api/facets": facets,
    "/api/rows": rows,
    "/api/place": place,
    "/api/record/{row}": record,
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

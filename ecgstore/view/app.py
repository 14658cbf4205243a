"""The web application: the page, and the routes that answer it."""

import json
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

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
from ecgstore.view.calls import Call, NotThereError, json_response
from ecgstore.view.label_round import decision_of, progress, shown_decision
from ecgstore.view.page_files import page_file
from ecgstore.view.record.details import other_rows, record_details
from ecgstore.view.record.median_beat import median_beat
from ecgstore.view.record.signal import MOST_VALUES, marks_in, stored_window
from ecgstore.view.shown import Shown

if TYPE_CHECKING:
    from ecgstore.view.model.predictions import Predictions

Handler = Callable[[Shown, Call], Any]


def store(shown: Shown, call: Call) -> Any:
    """Answer what is shown."""
    return shown.description()


def facets(shown: Shown, call: Call) -> Any:
    """Answer counts of what is selected."""
    filter_ = Filter.read(call.text("filter"))
    names = call.names("facets", MOST_FACETS)
    shown.see({*names, *shown.browsing.columns_in(filter_)})
    return {
        "n_selected": len(shown.browsing.selected(filter_)),
        "facets": of_facets(shown.browsing, filter_, names),
    }


def rows(shown: Shown, call: Call) -> Any:
    """Answer rows of the table."""
    columns = call.names("columns", MOST_COLUMNS)
    order, selected = _ordered(shown, call, columns)
    begin = call.whole("from", 0)
    end = call.whole("to", begin + 100, begin, begin + MOST_ROWS)
    numbers = np.asarray(selected[begin:end], np.int64)
    return {
        "n_selected": len(selected),
        "order": order,
        "from": begin,
        "rows": cells(shown.browsing, numbers, columns),
    }


def place(shown: Shown, call: Call) -> Any:
    """Answer where a row is among those selected."""
    row = call.whole("row", 0, 0, max(len(shown.store) - 1, 0))
    columns = call.names("columns", MOST_COLUMNS)
    order, selected = _ordered(shown, call, columns)
    return {"order": order, **place_of(selected, row)}


def _ordered(
    shown: Shown, call: Call, columns: list[str]
) -> tuple[int, IntArray | range]:
    """Return the number of the order that the page asks for, and its rows."""
    return shown.ordered(
        Filter.read(call.text("filter")),
        call.text("sort"),
        call.text("descending") == "1",
        columns,
    )


def record(shown: Shown, call: Call) -> Any:
    """Answer what is known of one record."""
    row = call.row(len(shown.store))
    return record_details(shown.store, row) | {"has_raw": shown.sources is not None}


def others(shown: Shown, call: Call) -> Any:
    """Answer which other records are of the same patient."""
    return {"rows": other_rows(shown.store, call.row(len(shown.store)))}


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


def review(shown: Shown, call: Call) -> Any:
    """Answer how far the label round is."""
    shown.see_decisions()
    return progress(shown.store)


def decision(shown: Shown, call: Call) -> Any:
    """Answer what is decided about a record."""
    row = call.row(len(shown.store))
    shown.see_decisions()
    return shown_decision(shown.store.review[row])


def decide(shown: Shown, call: Call) -> Any:
    """Save what is decided about a record."""
    row = call.row(len(shown.store))
    return shown_decision(shown.decide(row, decision_of(call.body)))


def model(shown: Shown, call: Call) -> Any:
    """Answer how many records are predicted."""
    if shown.model is None:
        return {"state": "none", "done": 0, "total": len(shown.store), "message": ""}
    state = shown.model.state()
    shown.see_predictions()  # after it: who hears that all are there, gets all
    return state


def prediction(shown: Shown, call: Call) -> Any:
    """Answer what the model says about a record."""
    return _model(shown).of(call.row(len(shown.store)))


def explanation(shown: Shown, call: Call) -> Any:
    """Answer what a class of a record was predicted by."""
    return _model(shown).explanation(call.row(len(shown.store)), call.text("class"))


def saliency(shown: Shown, call: Call) -> Any:
    """Answer how strongly samples speak for a class: float32, lead by lead."""
    row = call.row(len(shown.store))
    strengths, fs = _model(shown).saliency(row, call.text("class"))
    headers = {"X-Fs": f"{fs:g}", "X-Start": "0", "X-Samples": str(strengths.shape[1])}
    content = strengths.astype("<f4", copy=False).tobytes()
    return Response(content, 200, headers, "application/octet-stream")


def _model(shown: Shown) -> "Predictions":
    """Return the model, if there is one."""
    if shown.model is None:
        raise NotThereError("there is no model; start the viewer with --model")
    return shown.model


def _span(shown: Shown, call: Call) -> tuple[int, int]:
    """Return the window that is asked for: by default, the beginning of the record."""
    store = shown.store
    longest = MOST_VALUES // store.n_leads
    start = call.whole("start", 0, 0, store.n_samples)
    default = min(start + longest, store.n_samples)
    return start, call.whole("stop", default, start, default)


GET: Final[dict[str, Handler]] = {
    "/api/store": store,
    "/api/facets": facets,
    "/api/rows": rows,
    "/api/place": place,
    "/api/record/{row}": record,
    "/api/others/{row}": others,
    "/api/signal/{row}": signal,
    "/api/marks/{row}": marks,
    "/api/median/{row}": median,
    "/api/review": review,
    "/api/review/{row}": decision,
    "/api/model": model,
    "/api/model/{row}": prediction,
    "/api/explanation/{row}": explanation,
    "/api/saliency/{row}": saliency,
}
POST: Final[dict[str, Handler]] = {"/api/review/{row}": decide}


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
    except EcgStoreError as error:
        return json_response({"error": str(error)}, 400)
    except Exception:  # a mistake of the program, which must not end the viewer
        traceback.print_exc()
        message = "something went wrong in the viewer; its terminal says what"
        return json_response({"error": message}, 500)
    return answer if isinstance(answer, Response) else json_response(answer)

"""GraphiQL from packaged files: a browser that opens `/graphql` gets a place to try the store's graph."""

import gzip
from pathlib import Path

from kokoa.edge.errors import RouteNotFound
from kokoa.web.http import Request, Response

PREFIX = ("_kokoa", "graphiql")
_FOLDER = Path(__file__).with_name("assets")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_PAGE_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    # Only our own files run, and only our own origin is asked. CodeMirror sets styles on elements.
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-cache"),
    ("vary", "accept"),
)


class Graphiql:
    """Reads the files once; compresses one when it is first asked for."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._page = Response(200, _PAGE_HEADERS, (folder / "index.html").read_bytes())
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in _TYPES}
        self._compressed: dict[str, bytes] = {}

    def wants_page(self, request: Request) -> bool:
        """Whether this is a browser that navigates: GET without a query that accepts HTML."""
        accept = request.header("accept") or ""
        return request.method in {"GET", "HEAD"} and "text/html" in accept and "query=" not in request.query

    def page(self) -> Response:
        """The HTML page."""
        return self._page

    def file(self, request: Request) -> Response:
        """One of the page's files. Raises RouteNotFound."""
        name = request.segments[-1]
        content = self._files.get(name)
        if content is None or len(request.segments) != len(PREFIX) + 1 or request.method not in {"GET", "HEAD"}:
            raise RouteNotFound(f"There is no file {request.path[:200]}.")
        headers = [
            ("content-type", _TYPES[Path(name).suffix]),
            ("cache-control", "public, max-age=3600"),
            ("x-content-type-options", "nosniff"),
            ("vary", "accept-encoding"),
        ]
        if "gzip" in (request.header("accept-encoding") or ""):
            if name not in self._compressed:
                self._compressed[name] = gzip.compress(content, compresslevel=6)
            return Response(200, (*headers, ("content-encoding", "gzip")), self._compressed[name])
        return Response(200, tuple(headers), content)

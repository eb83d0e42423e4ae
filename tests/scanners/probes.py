"""Requests that a scanner sends, with the allowed statuses of their responses."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.scanners.wire import SILENCE
from tests.support import PATIENCE_SECONDS

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
QUERY = '{"query": "{ __typename }"}'
NOBODY = "01930000-0000-7000-8000-000000000000"

OK = frozenset({200})
BAD = frozenset({400})
TOO_LARGE = frozenset({413})
ANY = frozenset({200, 400})
NOT_FOUND = frozenset({404})
NOT_THERE = frozenset({400, 404, 414})
NOT_ALLOWED = frozenset({405})
UNSUPPORTED = frozenset({415})
NO_HTTP = frozenset({400, 431, SILENCE})
"""Statuses for input that is not HTTP, which needs no response."""

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Probe:
    """Bytes to send on a separate connection. They are created when sent, because some are long.

    `speaks_graphql`: a response with status 400 or above is a GraphQL response whose error has a code. `garbles`: the
    bytes after the request interrupt the response, and the HTTP server may log a traceback about it.
    """

    name: str
    sent: Callable[[], bytes]
    statuses: frozenset[int]
    speaks_graphql: bool = True
    hangs_up: bool = False
    waits: float = PATIENCE_SECONDS
    garbles: bool = False


def request(
    body: bytes | str = b"",
    *,
    method: str = "POST",
    target: str = "/graphql",
    headers: Iterable[str] = (),
    content_type: str | None = JSON,
    accept: str | None = GRAPHQL_JSON,
    length: bool = True,
) -> bytes:
    """Returns a valid request, except for the arguments."""
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if accept is not None:
        lines.append(f"Accept: {accept}")
    if method in ("GET", "HEAD"):
        lines.append("GraphQL-Require-Preflight: 1")
    elif length:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def body(name: str, content: bytes | str, statuses: frozenset[int] = BAD) -> Probe:
    return Probe(name, lambda: request(content), statuses)


def document(name: str, query: str, statuses: frozenset[int] = BAD, **variables: Any) -> Probe:
    content = json.dumps({"query": query, "variables": variables}, ensure_ascii=False)
    return Probe(name, lambda: request(content), statuses)


def headed(name: str, statuses: frozenset[int], **parts: Any) -> Probe:
    return Probe(name, lambda: request(QUERY, **parts), statuses)


def got(name: str, target: str, statuses: frozenset[int], *, method: str = "GET", graphql: bool = True) -> Probe:
    return Probe(name, lambda: request(method=method, target=target, content_type=None), statuses, graphql)


def raw(name: str, content: bytes, statuses: frozenset[int] = NO_HTTP, **more: Any) -> Probe:
    return Probe(name, lambda: content, statuses, speaks_graphql=False, **more)


def chunked(pieces: Iterable[bytes], *, target: str = "/graphql") -> bytes:
    head = request(target=target, headers=["Transfer-Encoding: chunked"], length=False)
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def variables(value: bytes) -> bytes:
    return b'{"query": "{ __typename }", "variables": {"a": ' + value + b"}}"


def nested(opening: str, inner: str, closing: str, times: int) -> str:
    return opening * times + inner + closing * times


def spread(times: int, fragment: Callable[[int], str]) -> str:
    """Returns a query with this number of fragments, which spreads the first one."""
    return "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ {fragment(n)} }}" for n in range(times))


BODIES = (
    body("nothing", b""),
    body("half of JSON", b"{"),
    body("null", b"null"),
    body("false", b"false"),
    body("a string", b'"x"'),
    body("a number", b"1"),
    body("a batch", b'[{"query": "{ __typename }"}]'),
    body("a batch of a thousand", json.dumps([{"query": "{ __typename }"}] * 1000)),
    body("no query", b"{}"),
    body("a query that is null", b'{"query": null}'),
    body("an empty query", b'{"query": ""}'),
    body("a blank query", b'{"query": " "}'),
    body("a query that is a list", b'{"query": ["{ __typename }"]}'),
    body("a query that is an object", b'{"query": {"query": "{ __typename }"}}'),
    body("variables that are a list", b'{"query": "{ __typename }", "variables": []}'),
    body("variables that are text", b'{"query": "{ __typename }", "variables": "{}"}'),
    body("extensions that are a number", b'{"query": "{ __typename }", "extensions": 1}'),
    body("an operation name that is a list", b'{"query": "{ __typename }", "operationName": []}'),
    body("an operation that does not exist", b'{"query": "query A { __typename }", "operationName": "B"}'),
    body("two operations and no name", b'{"query": "query A { __typename } query B { __typename }"}'),
    body("a persisted query", b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}'),
    body("duplicate keys", b'{"query": "{ nothing }", "query": "{ __typename }"}', ANY),
    body("bad UTF-8", b'{"query": "\xff\xfe"}'),
    body("a surrogate in UTF-8", variables(b'"\xed\xa0\x80"')),
    body("overlong UTF-8", variables(b'"\xc0\x80"')),
    body("UTF-16", '{"query": "{ __typename }"}'.encode("utf-16"), ANY),
    body("UTF-32", '{"query": "{ __typename }"}'.encode("utf-32"), ANY),
    body("a byte order mark", b"\xef\xbb\xbf" + QUERY.encode(), ANY),
    body("a NUL character", variables(rb'"\u0000"')),
    body("a lone surrogate", variables(rb'"\ud800"')),
    body("a lone surrogate as a member's name", rb'{"query": "{ __typename }", "variables": {"\udfff": 1}}'),
    body("a surrogate pair the wrong way round", variables(rb'"\ude00\ud83d"')),
    body("NaN", variables(b"NaN")),
    body("an endless number", variables(b"-Infinity")),
    body("a number beyond floats", variables(b"1e400"), ANY),
    body("an integer of 5000 digits", variables(b"9" * 5000)),
    body("an integer of 200 000 digits", variables(b"9" * 200_000)),
    body("lists 120 000 deep", variables(b"[" * 120_000 + b"]" * 120_000)),
    body("objects 40 000 deep", variables(b'{"a":' * 40_000 + b"1" + b"}" * 40_000)),
    body("lists 200 000 deep, left open", b"[" * 200_000),
    body(
        "20 000 variables that nobody asked for",
        json.dumps({"query": "{ __typename }", "variables": {f"v{n}": n for n in range(15_000)}}),
        ANY,
    ),
    body("white space to the limit", b" " * 262_144),
    body("NUL bytes", bytes(1000)),
    Probe("20 MB with their length", lambda: request(b" " * 20 * MEGABYTE), TOO_LARGE),
    Probe("20 MB in chunks", lambda: chunked([b" " * 65_536] * 305), TOO_LARGE),
    Probe("20 MB to nowhere", lambda: request(b" " * 20 * MEGABYTE, target="/nowhere"), NOT_FOUND, False),
    Probe("20 MB of another type", lambda: request(b" " * 20 * MEGABYTE, content_type="text/plain"), UNSUPPORTED),
    Probe("a body in 200 000 chunks of a byte", lambda: chunked([b" "] * 200_000), BAD),
)

MEDIA_TYPES = (
    headed("no content type", UNSUPPORTED, content_type=None),
    headed("a form", UNSUPPORTED, content_type="application/x-www-form-urlencoded"),
    headed("a form in parts", UNSUPPORTED, content_type="multipart/form-data; boundary=x"),
    headed("a form in parts without a boundary", UNSUPPORTED, content_type="multipart/form-data"),
    headed("text", UNSUPPORTED, content_type="text/plain"),
    headed("text that says it is JSON", UNSUPPORTED, content_type="text/plain; application/json"),
    headed("application/graphql", UNSUPPORTED, content_type="application/graphql"),
    headed("a type that has JSON in its name", UNSUPPORTED, content_type="xapplication/jsonx"),
    headed("a type in capitals", OK, content_type="APPLICATION/JSON"),
    headed("a type that is a semicolon", UNSUPPORTED, content_type=";"),
    headed("a type of bytes", UNSUPPORTED, content_type="application/json\x80\xff"),
    headed("an encoded word", UNSUPPORTED, content_type="=?utf-8?b?////?="),
    headed("charset UTF-16", UNSUPPORTED, content_type="application/json; charset=utf-16"),
    headed("a charset that there is not", UNSUPPORTED, content_type="application/json; charset=bogus"),
    headed("a charset with an open quote", frozenset({200, 415}), content_type='application/json; charset="'),
    headed("continued parameters, with and without numbers", frozenset({200, 415}), content_type=f"{JSON};a*=x;a*1=y"),
    headed("a parameter's number of 5000 digits", frozenset({200, 415}), content_type=f"{JSON};a*{'9' * 5000}=x"),
    headed("10 000 parameters", frozenset({200, 415}), content_type=JSON + ";" * 10_000),
    *(
        headed(f"the encoding {encoding!r}", UNSUPPORTED, headers=[f"Content-Encoding: {encoding}"])
        for encoding in ("gzip", "br", "deflate, identity", "x", "GZIP")
    ),
    headed("the encoding that is none", OK, headers=["Content-Encoding: Identity"]),
    headed("two encodings", UNSUPPORTED, headers=["Content-Encoding: identity", "Content-Encoding: gzip"]),
    headed("two content types", frozenset({200, 415}), headers=["Content-Type: text/plain"]),
    headed("no Accept", OK, accept=None),
    headed("an empty Accept", OK, accept=""),
    headed("an image, please", frozenset({406}), accept="image/png"),
    headed("nothing, please", frozenset({406}), accept="*/*;q=0"),
    headed("a quality that is no number", frozenset({200, 406}), accept=f"{JSON};q=nan"),
    headed("an endless quality", frozenset({200, 406}), accept=f"{JSON};q=1e999"),
    headed("10 000 commas", frozenset({200, 406}), accept="," * 10_000),
    headed("bytes for an Accept", frozenset({406}), accept="\xff\xfe"),
    headed("a stream, please", frozenset({200, 406}), accept=f"multipart/mixed;boundary=graphql, {JSON}"),
)

HEADERS = (
    headed("a key that is none", frozenset({401}), headers=["Authorization: Bearer x"]),
    headed("another scheme", frozenset({401}), headers=["Authorization: Basic eDp4"]),
    headed("bytes for a key", frozenset({401}), headers=["Authorization: Bearer bk_\xff"]),
    headed("a key of the right form", frozenset({401}), headers=[f"Authorization: Bearer bk_{'0' * 32}_{'A' * 43}"]),
    headed("an empty key", frozenset({401}), headers=["Authorization:"]),
    headed("cookies", OK, headers=["Cookie: " + "a=b; " * 2000]),
    headed("a forged origin", OK, headers=["Origin: null", "X-Forwarded-For: ::1", "Forwarded: for=_x"]),
    headed("an expectation", OK, headers=["Expect: 100-continue"]),
    raw("a folded header", request(QUERY, headers=["X: a\r\n b"]), OK | NO_HTTP),
    headed("1000 headers", frozenset({431}), headers=[f"X{n}: y" for n in range(1000)]),
    raw("a header of 1 MB", request(QUERY, headers=["X: " + "a" * MEGABYTE]), OK | NO_HTTP),
    raw("100 000 headers", request(QUERY, headers=["X: y"] * 100_000), OK | NO_HTTP),
    raw(
        "a header of 20 MB that does not end",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20 * MEGABYTE,
        waits=5,
    ),
    raw("a NUL in a header", request(QUERY, headers=["X: a\0b"])),
    raw("a header without a colon", request(QUERY, headers=["XXX"])),
    raw("a header without a name", request(QUERY, headers=[": x"])),
    raw("a name in UTF-8", "GET / HTTP/1.1\r\nHost: localhost\r\nü: y\r\n\r\n".encode()),
    raw(
        "a line feed in a header's value",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\nY: b\r\n\r\n",
        waits=2,
        statuses=ANY,
    ),
    raw("no host", b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", OK | NO_HTTP),
    *(
        raw(f"hosts of a query: {hosts!r}", request(QUERY).replace(b"Host: localhost\r\n", hosts), statuses)
        for hosts, statuses in (
            (b"Host: localhost\r\n", OK),
            (b"", BAD),
            (b"Host:\r\n", BAD),
            (b"Host: localhost\r\nHost: localhost\r\n", BAD),
            (b"Host: localhost\r\nHost: evil.example\r\n", BAD),
            (b"Host: evil.example\r\nHost: localhost\r\n", BAD),
            (b"Host: evil.example:99999\r\n", BAD),
            (b"Host: a{b}.evil.example\r\n", BAD),
            (b"Host: evil.example\r\n", frozenset({403})),
        )
    ),
    raw("two hosts", b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", OK | NO_HTTP),
)

G = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
P = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
CHUNKED = P + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = QUERY.encode()
UPGRADE = ["Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]

LINES = (
    raw("nothing at all", b"", hangs_up=True),
    raw("noise", bytes(range(256)) * 20, waits=1),
    raw("a TLS greeting", bytes.fromhex("16030100a5010000a10303") + bytes(200), waits=1),
    raw("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset({400, 404, 505, SILENCE}), waits=1),
    raw("HTTP/0.9", b"GET /health\r\n", waits=1),
    raw("HTTP/1.0", b"GET /health HTTP/1.0\r\n\r\n", OK),
    raw("HTTP/99.9", b"GET /health HTTP/99.9\r\nHost: localhost\r\n\r\n"),
    raw("half of the headers", b"GET /health HTTP/1.1\r\nHost: localhost\r\n", hangs_up=True),
    raw("bare carriage returns", b"GET /health HTTP/1.1\rHost: localhost\r\r", waits=1),
    raw("bare line feeds", b"GET /health HTTP/1.1\nHost: x\nConnection: close\n\n", ANY),
    raw("spaces in the target", b"GET / a b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    raw("bytes in the target", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    raw("a target of 15 000 characters", G.replace(b"/health", b"/" + b"a" * 15_000) + b"\r\n", NOT_THERE),
    raw("a method of 10 000 letters", G.replace(b"GET", b"A" * 10_000) + b"\r\n", frozenset({400, 405, 501})),
    raw("a method that is none", G.replace(b"GET", b"G<T") + b"\r\n"),
    raw("half of a body", P + b"Content-Length: 1000\r\n\r\n" + BODY, hangs_up=True),
    raw("a negative length", P + b"Content-Length: -1\r\n\r\n" + BODY),
    raw("a length in hexadecimal", P + b"Content-Length: 0x1a\r\n\r\n" + BODY),
    raw("a length with an underscore", P + b"Content-Length: 2_6\r\n\r\n" + BODY),
    raw("a length of 5000 digits", P + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY),
    raw(
        "a length of 20 digits",
        P + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n" + BODY,
        frozenset({400, 413, SILENCE}),
        hangs_up=True,
    ),
    raw("two lengths", P + b"Content-Length: 26\r\nContent-Length: 27\r\n\r\n" + BODY),
    raw(
        "a length and chunks",
        P + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n" + BODY + b"\r\n0\r\n\r\n",
        ANY,
    ),
    raw("an encoding that there is not", P + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", frozenset({501})),
    raw("a chunk whose size is none", CHUNKED + b"zz\r\n", hangs_up=True),
    raw("a chunk of a negative size", CHUNKED + b"-1\r\nx\r\n", hangs_up=True),
    raw("a chunk of 2^80 bytes", CHUNKED + b"F" * 20 + b"\r\nx", frozenset({400, 413, SILENCE}), hangs_up=True),
    raw("a chunk that is longer than it says", CHUNKED + b"2\r\n" + BODY + b"\r\n0\r\n\r\n", hangs_up=True),
    raw("chunks without an end", CHUNKED + b"1a\r\n" + BODY[:5], hangs_up=True),
    raw(
        "a chunk with an extension of 15 000 letters",
        CHUNKED + b"1a;" + b"a" * 15_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        ANY,
    ),
    raw("a length as trailer", CHUNKED + b"1a\r\n" + BODY + b"\r\n0\r\nContent-Length: 5\r\n\r\n", ANY),
    raw(
        "bad chunks after the answer",
        CHUNKED.replace(b"json", b"xml") + b"1\r\na\r\nzz\r\n" * 5,
        garbles=True,
        statuses=frozenset({400, 415, SILENCE}),
    ),
    raw("a thousand requests at once", (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000) + G + b"\r\n", OK),
    raw(
        "a good request and a bad one", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGARBAGE\r\n\r\n", OK | NO_HTTP
    ),
    Probe(
        "a web socket",
        lambda: request(method="GET", content_type=None, headers=UPGRADE),
        frozenset({400, 403, 404, 426}),
    ),
)

TYPENAME = quote("{ __typename }")

TARGETS = (
    *(got(method, "/graphql", NOT_ALLOWED, method=method) for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")),
    got("HEAD", "/graphql", NOT_ALLOWED, method="HEAD", graphql=False),
    got("CONNECT", "/graphql", frozenset({501}), method="CONNECT"),
    raw("a method of its own", request(method="FOO"), NOT_ALLOWED | NO_HTTP),
    raw("a method in lower case", request(method="get"), NOT_ALLOWED | NO_HTTP),
    got("GET", f"/graphql?query={TYPENAME}", OK),
    Probe(
        "GET as a page of another site sends it",
        lambda: b"GET /graphql?query=%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % TYPENAME.encode(),
        BAD,
    ),
    got("GET without a query", "/graphql", BAD),
    got("GET with an empty query", "/graphql?query=", BAD),
    got("GET with a NUL", "/graphql?query=%00", BAD),
    got("GET with bad UTF-8", "/graphql?query=%ff", BAD),
    got("GET with two queries", f"/graphql?query={TYPENAME}&query=%7Bx%7D", BAD),
    got(
        "GET with a mutation",
        "/graphql?query=" + quote('mutation { archivePlan(input: {id: "x"}) { __typename } }'),
        NOT_ALLOWED,
    ),
    got("GET with a subscription", "/graphql?query=" + quote("subscription { x }"), BAD | NOT_ALLOWED),
    got("GET with variables that are null", f"/graphql?query={TYPENAME}&variables=null", ANY),
    got("GET with variables that are a number", f"/graphql?query={TYPENAME}&variables=5", BAD),
    got("GET with variables that are no JSON", f"/graphql?query={TYPENAME}&variables=x", BAD),
    got("GET with a surrogate", f"/graphql?query={TYPENAME}&variables=%7B%22a%22:%22%5Cud800%22%7D", BAD),
    got("GET with extensions that are a list", f"/graphql?query={TYPENAME}&extensions=%5B%5D", BAD),
    got("GET with a NUL for the operation's name", f"/graphql?query={TYPENAME}&operationName=%00", BAD),
    got("GET with 7000 parameters", "/graphql?" + "a&" * 7000, BAD),
    got("GET with braces only", "/graphql?query=" + "%7B" * 4000, BAD),
    *(
        got(f"the path {target[:50]}", target, statuses, graphql=False)
        for target, statuses in {
            "//": NOT_FOUND,
            "/graphql/": NOT_FOUND,
            "/health/": NOT_FOUND,
            "/GRAPHQL": NOT_FOUND,
            "/graphql%00": NOT_FOUND,
            "/%ff": NOT_FOUND,
            "*": NOT_THERE,
            "graphql": NOT_THERE,
            "?": frozenset({200, 400, 404}),
            "//evil.test/": NOT_FOUND,
            "http://evil.test/graphql": NOT_THERE,
            "http://[/graphql": NOT_THERE,
            "/.env": NOT_FOUND,
            "/static/playground/assets/": NOT_FOUND,
            "/static/playground/assets/%00": NOT_FOUND,
            "/static/playground/assets/../../../http.py": NOT_FOUND,
            "/static/playground/assets/..%2f..%2f..%2fhttp.py": NOT_FOUND,
            "/static/playground/assets/..%5c..%5chttp.py": NOT_FOUND,
            "/static/playground/assets//etc/passwd": NOT_FOUND,
            "/static/playground/assets/%2fetc/passwd": NOT_FOUND,
            "/static/playground/assets/%ed%a0%80": NOT_FOUND,
            "/static/playground/assets/" + "a" * 300: NOT_FOUND,
            "/static/playground/assets/" + "a/" * 5000: NOT_FOUND,
            "/ready/%0d%0aSet-Cookie:%20a=b": NOT_FOUND,
        }.items()
    ),
    got("a query to another path", "/health", NOT_ALLOWED, method="POST", graphql=False),
)

HTTP_PROBES = (*BODIES, *MEDIA_TYPES, *HEADERS, *LINES, *TARGETS)

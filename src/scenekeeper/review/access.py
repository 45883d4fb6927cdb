"""Who may talk to the review server: a link with a token becomes a cookie, the rest stays out.

In: a request. Out: the same request with the reviewer's name, or a refusal that says what to do.
Every answer carries the headers that keep a page from being framed, sniffed or scripted by others.

A web page elsewhere cannot send what is asked of a request that changes something: the cookie is
``SameSite=Strict``, the header is the page's own, and the origin is compared. A name that was made
to point here (DNS rebinding) is not one of the host names that are answered to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from scenekeeper.errors import ReviewError

HEADER = "x-scenekeeper"
"""A header that no form and no image of another page can send."""
LOCAL = ("localhost", "127.0.0.1", "::1")
MIN_TOKEN = 16

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer."""


class AccessError(ReviewError):
    """A request that is not let in.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy=remedy)
        self.status = status


@dataclass(frozen=True)
class Visitor:
    """A browser that was let in.

    Attributes:
        id: of the browser, made when its link was opened.
        name: whose decisions it sends.
    """

    id: str
    name: str


@dataclass(eq=False)
class Access:
    """The rules of one server.

    Attributes:
        hosts: host names, without port, that it answers to.
        port: of the server; cookies know no ports, so it is in the cookie's name.
        token: one that a person chose. It opens the page as often as wanted and cookies outlive
            a restart. ``None`` = each link holds a token of its own, which opens it once.
        told: called with the next link's token once one is used.
    """

    hosts: frozenset[str]
    port: int
    token: str | None = None
    told: Callable[[str], None] = lambda _: None
    _unused: set[str] = field(default_factory=set, init=False)
    _key: bytes = field(default=b"", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        if self.token is None:
            self._key = secrets.token_bytes(32)
        else:
            self._key = hashlib.sha256(b"scenekeeper review\0" + self.token.encode()).digest()

    @property
    def cookie(self) -> str:
        """Name of the cookie."""
        return f"scenekeeper-{self.port}"

    def new_token(self) -> str:
        """A token for the next link."""
        if self.token is not None:
            return self.token
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._unused.add(token)
        return token

    def opened(self, token: str, name: str) -> str:
        """The cookie for who comes with a token.

        Raises:
            AccessError: it is no token of ours, or was used.
        """
        if self.token is not None:
            good = hmac.compare_digest(token.encode(), self.token.encode())
        else:
            with self._lock:
                good = token in self._unused
                self._unused.discard(token)
        if not good:
            raise AccessError(401, "this link is not valid, or was used before", _START)
        if self.token is None:
            self.told(self.new_token())
        return self.seal(Visitor(secrets.token_urlsafe(9), name))

    def seal(self, visitor: Visitor) -> str:
        """The cookie of a visitor; nobody else can make one."""
        name = base64.urlsafe_b64encode(visitor.name.encode()).decode().rstrip("=")
        text = f"{visitor.id}.{name}"
        return f"{text}.{self._sign(text)}"

    def visitor(self, cookie: str | None) -> Visitor:
        """Who sent a cookie.

        Raises:
            AccessError: there is none, or we did not make it.
        """
        text, _, signature = (cookie or "").rpartition(".")
        if not text or not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            raise AccessError(401, "you are not signed in", _START)
        identity, _, name = text.partition(".")
        padded = name + "=" * (-len(name) % 4)
        return Visitor(identity, base64.urlsafe_b64decode(padded).decode())

    def check_host(self, host: str | None) -> None:
        """Whether a request was meant for this server.

        Raises:
            AccessError: its host name is another.
        """
        if host_name(host or "") not in self.hosts:
            known = ", ".join(sorted(self.hosts))
            raise AccessError(400, "this server has another name", f"It answers to: {known}.")

    def check_change(self, host: str, origin: str | None, site: str | None, ours: bool) -> None:
        """Whether a request that changes something comes from our own page.

        Args:
            host: the request's host, with port.
            origin: its ``Origin``,
            site: and ``Sec-Fetch-Site``; other programs than browsers send neither.
            ours: whether it has the header of our page.

        Raises:
            AccessError: it does not.
        """
        foreign = origin is not None and origin not in (f"http://{host}", f"https://{host}")
        if not ours or foreign or site not in (None, "same-origin"):
            raise AccessError(403, "another page sent this", "Use the review page of this server.")

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


_START = (
    "Open the link that the terminal shows where the review was started; scenekeeper review prints"
    " a new one. What you decided is kept in this browser until then."
)


def rules(host: str, port: int, token: str | None, names: tuple[str, ...] = ()) -> Access:
    """The rules for a server that listens on ``host``.

    Args:
        host: address or name to listen on.
        port: TCP port.
        token: one that a person chose.
        names: further names that the server is reached by.

    Raises:
        ReviewError: others could reach it and there is no token, or it is easily guessed.
    """
    local = host_name(host) in LOCAL
    if not local and token is None:
        raise ReviewError(
            f"everyone who can reach {host} could open this review",
            remedy="Give it a token that only reviewers know: --token TEXT of 16 or more"
            " characters; behind a network you do not trust also use TLS.",
        )
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii()):
        raise ReviewError(
            f"a token is {MIN_TOKEN} or more ASCII characters",
            remedy='Make one: python -c "import secrets; print(secrets.token_urlsafe())"',
        )
    known = {*LOCAL, host_name(host), *(host_name(n) for n in names)}
    if not local:
        known |= _own_names(host)
    return Access(frozenset(known - {"0.0.0.0", "::", ""}), port, token)


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in small letters."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    if host.count(":") > 1:  # a bare IPv6 address
        return host.lower()
    return host.partition(":")[0].lower().rstrip(".")


def _own_names(host: str) -> set[str]:
    """Names and addresses by which this machine is known to itself."""
    import socket

    names = {socket.gethostname().lower(), socket.getfqdn().lower()}
    try:
        anywhere = ipaddress.ip_address(host_name(host)).is_unspecified
    except ValueError:
        anywhere = False
    if anywhere:
        for name in tuple(names):
            try:
                names |= {str(a[4][0]).partition("%")[0] for a in socket.getaddrinfo(name, None)}
            except OSError:
                continue
        names |= _outward_addresses()
    return names


def _outward_addresses() -> set[str]:
    """The addresses of this machine that others see; nothing is sent to find them."""
    import socket

    found = set()
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.connect((far, 9))
                found.add(str(s.getsockname()[0]))
        except OSError:
            continue
    return found

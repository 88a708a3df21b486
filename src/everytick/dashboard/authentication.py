"""Tokens, cookies, and the CSRF token, which shows that a request comes from a page of ours.

A token is exchanged for a cookie that is signed with it: a stolen cookie does not give away the token, and
a new token ends all sessions. Nothing of it is kept on the server.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import ipaddress
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from everytick.errors import LedgerError
from everytick.masking import hide
from everytick.store.file_owners import give_to_owner, refuse_file
from everytick.system import system
from everytick.system.machine import make_private_folder
from everytick.text.wording import one_line

from .settings import SHORTEST_TOKEN, DashboardSettings

# Where a dashboard is asked to prove that it knows the token.
PROOF = "/login/proof"
SESSION_SECONDS = 30 * 86_400
LONGEST_NAME = 60

_WINDOW_SECONDS = 60.0
_MOST_FAILURES = 10
_MOST_ADDRESSES = 1_000
# After them one token of an address is looked at in each `_PAUSE`; others wait `_LONGEST_WAIT` seconds.
_PAUSE = 0.2
_LONGEST_WAIT = 2.0
# The same of all addresses together, since one stranger may have very many. Those from which a right token
# came are not held up by it.
_MOST_OF_ALL, _PAUSE_OF_ALL = 100, 0.05


@dataclass(frozen=True)
class Visitor:
    """Who asks: `who` as the audit trail shows it; `session` is the cookie, empty with a bearer token.

    The name stands in quotes where nobody vouches for it: with a token, a visitor gives any. `is_known`: the
    application around has said who it is; then `session` stands for that.
    """

    name: str
    address: str
    may_act: bool
    session: str = ""
    is_known: bool = False

    @property
    def cookie(self) -> str:
        """The session that can be ended by signing out, empty if there is none."""
        return "" if self.is_known else self.session

    @property
    def who(self) -> str:
        way = "dashboard" if self.session else "api"
        if self.is_known:
            return f"{way}: {self.name} ({self.address})"
        name = '"' + self.name.replace('"', "'") + '"' if self.name else "no name given"
        return f"{way}: {name} ({self.address})"


class Authenticator:
    """Knows the tokens, by role: `all` or `read`.

    is_set: whether the first of them is that of SCHEDULER_DASHBOARD_TOKEN, and no file has it.
    """

    def __init__(self, token: str, read_token: str = "", *, is_set: bool = False) -> None:
        self.is_set = is_set
        self._mark = "0"
        self._tokens = {"all": token, "read": read_token} if read_token else {"all": token}

    def marked(self, mark: int | str) -> Authenticator:
        """Return the one of a dashboard that has this mark: its sessions hold nowhere else."""
        made = copy.copy(self)
        made._mark = str(mark)
        return made

    @property
    def where(self) -> str:
        """Where the token is that allows everything, as a clause."""
        if self.is_set:
            return "it is the value of SCHEDULER_DASHBOARD_TOKEN where the dashboard runs"
        return "see the file dashboard.token beside the ledger"

    def role(self, given: str) -> str | None:
        """Return the role of a token. Takes as long for a wrong one, which has None, as for the right one."""
        found = None
        for role, token in self._tokens.items():
            if hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
                found = role
        return found

    def session(self, role: str, name: str) -> str:
        """Return the value of a new cookie."""
        since = _now()
        name_in_cookie = base64.urlsafe_b64encode(visible_name(name).encode()).decode().rstrip("=")
        content = f"{role}.{since}.{name_in_cookie}.{system.new_token(12)}"
        return f"{content}.{self._sign(role, f'session of {self._mark}', content)}"

    def visitor(self, session: str, address: str) -> Visitor | None:
        """Return who a cookie belongs to; None if it is not one of ours, or too old."""
        content, _, signature = session.rpartition(".")
        role, _, rest = content.partition(".")
        if role not in self._tokens or not session.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(role, f"session of {self._mark}", content)):
            return None
        since, name_in_cookie, _nonce = rest.split(".")
        if _now() - int(since) > SESSION_SECONDS:
            return None
        name = base64.urlsafe_b64decode(name_in_cookie + "=" * (-len(name_in_cookie) % 4)).decode()
        return Visitor(name, address, role == "all", session)

    def csrf_token(self, visitor: Visitor) -> str:
        """Return what a page of this visitor must send along to act."""
        # Who is known has no token: the key is the one that is always there.
        role = "all" if visitor.may_act or visitor.is_known else "read"
        return self._sign(role, "csrf_token", visitor.session)

    def proves(self, visitor: Visitor, given: str) -> bool:
        """Return whether `given` is the CSRF token of the visitor."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.csrf_token(visitor).encode())

    def question(self, listener: str, nonce: str) -> str:
        """Return what shows a dashboard that who asks knows the token. It signs in nowhere.

        `listener`: see the function of this name. Only the one that is meant takes the question, so that
        another program which got it cannot have it answered.
        """
        return self._sign("all", "question", f"{listener} {nonce}")

    def asks(self, listener: str, nonce: str, question: str) -> str | None:
        """Return the role of who has asked; None if the question is not one for this dashboard."""
        right = self.question(listener, nonce)
        return "all" if hmac.compare_digest(question.encode("utf-8", "replace"), right.encode()) else None

    def proof(self, listener: str, nonce: str) -> str:
        """Return what shows who has asked that this dashboard knows the token."""
        return self._sign("all", "proof", f"{listener} {nonce}")

    def _sign(self, role: str, purpose: str, content: str) -> str:
        key = self._tokens[role].encode()
        return hmac.new(key, f"{purpose}:{content}".encode(), hashlib.sha256).hexdigest()


class Failures:
    """Counts wrong tokens for a minute, and slows down more of them.

    They are counted by the address they came from, and all together. Addresses of IPv6 count by their first
    64 bits, which is the least that one subscriber has.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[float]] = {}
        # When the next token of an address may be looked at.
        self._next: dict[str, float] = {}
        # The newest of all, and when the next token of all may be looked at.
        self._all: deque[float] = deque(maxlen=_MOST_OF_ALL)
        self._next_of_all = 0.0
        # Addresses from which a right token came, the last one at the end.
        self._welcome: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, address: str) -> None:
        """Count one."""
        address = _subscriber(address)
        with self._lock:
            recent = [*self._recent(address), system.monotonic()]
            if len(self._seen) >= _MOST_ADDRESSES:
                self._seen.clear()
                self._next.clear()
            self._seen[address] = recent[-_MOST_FAILURES:]
            self._all.append(recent[-1])

    def welcome(self, address: str) -> None:
        """Note that a right token came from this address."""
        address = _subscriber(address)
        with self._lock:
            self._welcome.pop(address, None)
            if len(self._welcome) >= _MOST_ADDRESSES:
                del self._welcome[next(iter(self._welcome))]
            self._welcome[address] = None

    def too_many(self, address: str) -> bool:
        """Return whether tokens from this address have to wait for their turn."""
        address = _subscriber(address)
        with self._lock:
            return self._has_many(address) or self._is_one_of_many(address)

    def turn(self, address: str) -> float | None:
        """Return in how many seconds a token from this address is looked at; None if too many wait."""
        address = _subscriber(address)
        with self._lock:
            now = system.monotonic()
            turn, is_one_of_many = now, self._is_one_of_many(address)
            if has_many := self._has_many(address):
                turn = max(turn, self._next.get(address, now))
            if is_one_of_many:
                turn = max(turn, self._next_of_all)
            if turn - now > _LONGEST_WAIT:
                return None
            if has_many:
                self._next[address] = turn + _PAUSE
            if is_one_of_many:
                self._next_of_all = turn + _PAUSE_OF_ALL
            return turn - now

    def _has_many(self, address: str) -> bool:
        return len(self._recent(address)) >= _MOST_FAILURES

    def _is_one_of_many(self, address: str) -> bool:
        """Return whether it is a stranger's, while there are too many wrong tokens of all together."""
        since = system.monotonic() - _WINDOW_SECONDS
        return address not in self._welcome and len(self._all) == _MOST_OF_ALL and self._all[0] > since

    def _recent(self, address: str) -> list[float]:
        since = system.monotonic() - _WINDOW_SECONDS
        return [at for at in self._seen.get(address, []) if at > since]


def _subscriber(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def listener(address: str, port: int) -> str:
    """Return where a connection ends, alike for both of its sides."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address} {port}"
    mapped = found.ipv4_mapped if found.version == 6 else None
    return f"{mapped or found} {port}"


def _now() -> int:
    """Return the present in seconds since 1970."""
    return system.time_ns() // 1_000_000_000


def visible_name(name: str) -> str:
    """Return a name as it may stand in the audit trail: one line of printable characters.

    A long one is cut, and ends with a short hash: two that begin alike do not look alike.
    """
    line = one_line(name)
    if len(line) <= LONGEST_NAME:
        return line
    mark = hashlib.sha256(line.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{line[: LONGEST_NAME - len(mark) - 5].strip()} ... {mark}"


def open_authenticator(chosen: DashboardSettings, folder: Path) -> tuple[Authenticator, str, bool]:
    """Return the authenticator, the token that allows everything, and whether that was made just now.

    Raises:
        LedgerError: the token's file, beside the ledger, cannot be made or read.
    """
    token, made = chosen.scheduler_dashboard_token.get_secret_value(), False
    is_set = bool(token)
    if not is_set:
        token, made = _kept_token(token_file(folder))
        # Hide the token in the log lines of runs too.
        hide(token)
    read_token = chosen.scheduler_dashboard_read_token.get_secret_value()
    return Authenticator(token, read_token, is_set=is_set), token, made


def token_file(folder: Path) -> Path:
    """Return where a token is kept that was made here."""
    return folder / "dashboard.token"


def _kept_token(path: Path) -> tuple[str, bool]:
    try:
        # As the ledger does, which may come into it only later.
        make_private_folder(path.parent)
        refuse_file(path, f"the dashboard's token {path}")
        made = _make_token(path)
        token = _patiently_read(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as problem:
        raise LedgerError(f"the dashboard's token {path} cannot be read or made: {problem}") from None
    if len(token) < SHORTEST_TOKEN:
        raise LedgerError(f"the dashboard's token {path} is too short: delete the file to get a new one")
    return token, made


def _make_token(path: Path) -> bool:
    try:
        # Readable by this user alone from the first moment. Of two that start together one makes the file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        give_to_owner(descriptor, path.parent)
        stream.write(system.new_token(32) + "\n")
    return True


def _patiently_read(path: Path) -> str:
    """Return the token in a file, as soon as the process that makes the file has written it."""
    give_up = system.monotonic() + 1.0
    while True:
        token = path.read_text(encoding="ascii").strip()
        if token or system.monotonic() > give_up:
            return token
        system.sleep(0.02)

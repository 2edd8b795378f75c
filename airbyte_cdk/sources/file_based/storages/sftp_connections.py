"""Connections to an SFTP server: made, checked, signed in, shared, and thrown away once they broke."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock, Timer

import paramiko

from airbyte_cdk.sources.file_based.access.network import network_failure
from airbyte_cdk.sources.file_based.access.storage_access import Trouble
from airbyte_cdk.sources.file_based.storages.sftp_errors import ConnectionLost, SftpError
from airbyte_cdk.sources.file_based.storages.sftp_keys import ALGORITHMS, KnownKey, fingerprint
from airbyte_cdk.sources.file_based.storages.sftp_session import SftpSession

CONNECT_SECONDS = 10
"""A server that accepts no connection for so long is taken for not there."""
SIGN_IN_SECONDS = 60
"""For everything from the server's first word to its readiness for SFTP."""
ANSWER_SECONDS = 60
"""A server that sends nothing for so long, though it was asked, is taken for dead."""
KEEPALIVE_SECONDS = 30
"""So often an idle connection says something, before firewalls forget it."""
MOST_CONNECTIONS = 4
"""At once to one server: many allow few to a user, and each costs a thread."""
WINDOW = 4 << 20
"""Bytes on their way at once: 40 MB/s over a distance of 100 ms."""

# encrypts and signs in one step: twice the speed
_FASTEST_CIPHER = "aes128-gcm@openssh.com"

_logger = logging.getLogger("airbyte")
_warned: set[tuple[str, int]] = set()
_warning = Lock()


@dataclass(frozen=True)
class Login:
    """Where an SFTP server is, how to know it, and how to sign in to it.

    Attributes:
        host: Name or address.
        port: TCP port.
        username: Who signs in.
        password: The password, if that is how.
        key: The private key, if that is how.
        known: Host keys of which the server must have one; empty if any will do.
    """

    host: str
    port: int
    username: str
    password: str | None = field(default=None, repr=False)
    key: paramiko.PKey | None = field(default=None, repr=False)
    known: Sequence[KnownKey] = ()


class Connection:
    """One connection, signed in.

    Attributes:
        session: SFTP on it.
        users: How many were lent it now.
    """

    def __init__(self, transport: paramiko.Transport, session: SftpSession) -> None:
        self.session = session
        self.users = 0
        self._transport = transport

    @property
    def alive(self) -> bool:
        """Whether it is not known to be broken."""
        return self.session.broken is None and self._transport.is_active()

    def close(self) -> None:
        """End it."""
        self.session.close()
        self._transport.close()


class Connections:
    """The connections to one server. May be used by several threads at once.

    A connection is shared when there are more users than the server (or `MOST_CONNECTIONS`) allows connections.

    Args:
        login: The server.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._open: list[Connection] = []
        self._opening = 0
        self._most = MOST_CONNECTIONS
        self._changed = Condition()

    def borrow(self) -> Connection:
        """The connection with the fewest users; a new one if all have some and there may be more.

        To be given back with `give_back`.

        Raises:
            SftpError: There is no connection, and none can be made.
        """
        with self._changed:
            while True:
                self._open = [connection for connection in self._open if connection.alive]
                best = min(self._open, key=lambda connection: connection.users, default=None)
                if best is not None and (best.users == 0 or len(self._open) + self._opening >= self._most):
                    best.users += 1
                    return best
                if len(self._open) + self._opening < self._most:
                    break
                self._changed.wait()  # all that there may be are being made
            self._opening += 1
        made: Connection | None = None
        try:
            made = connected(self._login)
        except SftpError:
            with self._changed:
                others = [connection for connection in self._open if connection.alive]
                if not others:
                    raise
                # it seems to allow no more
                self._most = len(others)
                made = min(others, key=lambda connection: connection.users)
                made.users += 1
                return made
        finally:
            with self._changed:
                self._opening -= 1
                if made is not None and made not in self._open:
                    made.users = 1
                    self._open.append(made)
                self._changed.notify_all()
        return made

    def give_back(self, connection: Connection) -> None:
        """End a loan; a connection that broke is thrown away."""
        with self._changed:
            connection.users -= 1
        if not connection.alive:
            connection.close()

    def close(self) -> None:
        """End all connections; the next loan makes a new one."""
        with self._changed:
            closing, self._open = self._open, []
            self._most = MOST_CONNECTIONS
        for connection in closing:
            connection.close()


def connected(login: Login) -> Connection:
    """A new connection.

    Raises:
        SftpError: It cannot be made.
    """
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs, with stack traces, what it then raises
    types: list[str] | None = None
    if login.known and all(known.type for known in login.known):
        types = list(dict.fromkeys(known.type for known in login.known if known.type))
    shown: list[str] = []
    while True:
        transport = _transport(login)
        # paramiko waits for ever at some steps
        deadline = Timer(SIGN_IN_SECONDS, transport.close)
        deadline.daemon = True
        deadline.start()
        try:
            key = _server_key(transport, login, types)
            if key is not None and _is_known(key, login):
                return Connection(transport, _signed_in(transport, login))
            transport.close()
        except BaseException:
            transport.close()
            raise
        finally:
            deadline.cancel()
            transport.packetizer.complete_handshake()  # ends a timer that would keep the program from its end
        if key is not None:
            shown.append(f"{key.get_name()} {fingerprint(key.asbytes())}")
            types = types or list(ALGORITHMS)
            types = [kind for kind in types if kind != key.get_name()]
        # a fingerprint does not tell the type of the key, and a server has one of each
        if key is None or not types or all(known.type for known in login.known):
            raise _unknown_key(login, shown)


def _transport(login: Login) -> paramiko.Transport:
    where = f"{login.host}:{login.port}"
    try:
        connection = socket.create_connection((login.host, login.port), timeout=CONNECT_SECONDS)
    except (OSError, UnicodeError) as error:
        failure = network_failure(error, where, "`host` or `port`")
        if failure is None:
            raise SftpError(Trouble.TEMPORARY, f"there is no connection to {where} ({type(error).__name__})") from error
        raise SftpError(failure.trouble, failure.reason) from error
    # many small requests: each must go out at once
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transport = paramiko.Transport(connection)
    transport.banner_timeout = transport.handshake_timeout = SIGN_IN_SECONDS
    # longer than the deadline for all: an error is then known to be an answer
    transport.auth_timeout = transport.channel_timeout = 2 * SIGN_IN_SECONDS
    security = transport.get_security_options()
    if _FASTEST_CIPHER in security.ciphers:
        security.ciphers = (_FASTEST_CIPHER, *(cipher for cipher in security.ciphers if cipher != _FASTEST_CIPHER))
    return transport


def _server_key(transport: paramiko.Transport, login: Login, types: Sequence[str] | None) -> paramiko.PKey | None:
    """The key that the server proves to have; None if it has none of these types."""
    if types is not None:
        transport.get_security_options().key_types = tuple(name for kind in types for name in ALGORITHMS[kind])
    try:
        transport.start_client(timeout=SIGN_IN_SECONDS)
        return transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer as error:
        if types is not None and "host key" in str(error):
            return None
        raise SftpError(
            Trouble.CONFIG, f"the server and the connector have no encryption in common: {error}"
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectionLost(
            f"{login.host}:{login.port} does not speak SSH, or too slowly (options `host`, `port`): "
            f"{error or 'the connection was cut off'}"
        ) from error


def _is_known(key: paramiko.PKey, login: Login) -> bool:
    shown = fingerprint(key.asbytes())
    if login.known:
        return any(known.fingerprint == shown for known in login.known)
    with _warning:
        first = (login.host, login.port) not in _warned
        _warned.add((login.host, login.port))
    if first:
        _logger.warning(
            "The SFTP server %s:%d is trusted unseen: its host key is %s %s. Set the option `host_key` to this to have "
            "the server's identity checked.",
            login.host,
            login.port,
            key.get_name(),
            shown,
        )
    return True


def _unknown_key(login: Login, shown: Sequence[str]) -> SftpError:
    expected = ", ".join(f"{known.type or ''} {known.fingerprint}".strip() for known in login.known)
    return SftpError(
        Trouble.CONFIG,
        f"the host key of the server is {' and '.join(shown) or 'of another type'}, but the option `host_key` expects "
        f"{expected}. Make sure that this is your server, and then correct `host_key`",
    )


def _signed_in(transport: paramiko.Transport, login: Login) -> SftpSession:
    _authenticate(transport, login)
    transport.set_keepalive(KEEPALIVE_SECONDS)
    try:
        channel = transport.open_session(window_size=WINDOW)
        channel.settimeout(2 * SIGN_IN_SECONDS)  # as above
        channel.invoke_subsystem("sftp")
        session = SftpSession(channel)
        channel.settimeout(ANSWER_SECONDS)
        return session
    except paramiko.ChannelException as error:
        raise ConnectionLost("the server gives the user no session: too many are open") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.join(0.5)  # one that is about to end has told its channels already
        if transport.is_active():
            raise SftpError(
                Trouble.CONFIG,
                f"the server does not let the user {login.username} (option `username`) use SFTP: {error}",
            ) from error
        raise ConnectionLost("the connection was cut off while signing in") from error


def _authenticate(transport: paramiko.Transport, login: Login) -> None:
    means = "private key" if login.key is not None else "password"
    try:
        if login.key is not None:
            missing = transport.auth_publickey(login.username, login.key)
        else:
            missing = transport.auth_password(login.username, login.password or "")
    except paramiko.BadAuthenticationType as error:
        raise SftpError(
            Trouble.CONFIG,
            f"the server does not let the user {login.username} sign in by {means} (option `credentials`), only by "
            f"{', '.join(error.allowed_types)}",
        ) from error
    except paramiko.AuthenticationException as error:
        if "transport shut down" in str(error):
            raise ConnectionLost(
                f"the server cut off the connection while the user {login.username} signed in: it is busy, or refuses "
                "the user (options `username`, `credentials`)"
            ) from error
        raise SftpError(
            Trouble.CONFIG,
            f"the server refuses the user {login.username}: the username or the {means} is wrong (options `username`, "
            "`credentials`)",
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectionLost("the connection was cut off while signing in") from error
    if missing:
        raise SftpError(
            Trouble.CONFIG,
            f"the server asks the user {login.username} for more to sign in than the option `credentials` has: "
            f"{', '.join(missing)}",
        )

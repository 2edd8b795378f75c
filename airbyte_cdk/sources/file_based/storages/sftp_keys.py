"""Keys of SSH: the private key of the user, and what is known of the key of the server."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from hashlib import sha256
from io import StringIO
from typing import NamedTuple

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Types of host keys: the names of the signatures that a server makes with them."""

_ARMOR = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


# https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT
_MARKERS = {
    "@revoked": "a key that is revoked cannot tell which server is trusted; only the keys that are named are trusted",
    "@cert-authority": "host certificates are not supported; give the key of the server itself",
}


def private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """The private key (RSA, ECDSA or Ed25519) of an OpenSSH or PEM text.

    Raises:
        ValueError: The text cannot be used; the message says why in words for the user, and nothing of the text.
    """
    data = _armored(text)
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    try:
        key = load(data, passphrase.encode() if passphrase else None)
    except TypeError as error:
        if passphrase:
            return private_key(text, None)  # it has none, and needs none
        raise ValueError("the private key has a passphrase, which the option `passphrase` does not give") from error
    except UnsupportedAlgorithm as error:
        raise ValueError("the private key is of a kind that cannot be used; RSA, ECDSA and Ed25519 can") from error
    except ValueError as error:
        wrong = "the option `passphrase` is wrong, or the private key is damaged"
        raise ValueError(wrong if passphrase else "the private key is damaged: copy the whole file again") from error
    kinds: Sequence[tuple[type, type[paramiko.PKey]]] = (
        (RSAPrivateKey, paramiko.RSAKey),
        (EllipticCurvePrivateKey, paramiko.ECDSAKey),
        (Ed25519PrivateKey, paramiko.Ed25519Key),
    )
    for kind, of_paramiko in kinds:
        if isinstance(key, kind):
            # the one form that paramiko reads of all kinds
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            try:
                return of_paramiko.from_private_key(StringIO(plain))
            except Exception as error:
                raise ValueError("the private key is of a kind that SSH does not use") from error
    raise ValueError("the private key is of a kind that cannot be used; RSA, ECDSA and Ed25519 can")


def _armored(text: str) -> bytes:
    """The key as its file has it, also where line ends were lost or written ``\\n`` on the way through a form."""
    text = text.strip().replace("\\n", "\n").replace("\r\n", "\n")
    found = _ARMOR.search(text)
    if found is None:
        if text.startswith("PuTTY-User-Key-File"):
            raise ValueError("the private key is PuTTY's: convert it with `puttygen KEY.ppk -O private-openssh`")
        if text.startswith(("ssh-", "ecdsa-")):
            raise ValueError("this is the public half of the key; the option needs the private one")
        raise ValueError(
            "the private key must be the whole text of the key file, from -----BEGIN to the END line and its dashes"
        )
    kind, body = found.groups()
    if "\n" not in body.strip():
        body = "\n" + "\n".join(body.split()) + "\n"
    return f"-----BEGIN {kind}-----{body}-----END {kind}-----\n".encode("ascii", "replace")


def fingerprint(key: bytes) -> str:
    """The fingerprint of a public key, as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode().rstrip("=")


class KnownKey(NamedTuple):
    """What is known of a host key: its fingerprint, and its type if that is known too."""

    fingerprint: str
    type: str | None = None


def known_keys(text: str) -> list[KnownKey]:
    """The host keys that an option names, one a line: ``ssh-ed25519 AAAA...``, a line of known_hosts, ``SHA256:...``.

    None for an empty text only, as that means that any server is trusted.

    Raises:
        ValueError: A line is none of these, or there is none.
    """
    found: list[KnownKey] = []
    for line in text.strip().splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("@"):
            why = _MARKERS.get(words[0], "this mark is not known")
            raise ValueError(f"{why}. Leave out the line marked {words[0]}")
        known = _known(words)
        if known is None:
            raise ValueError(
                "each line must be the type and the base64 text of a public key (such as `ssh-ed25519 AAAA...`, from "
                "`ssh-keyscan HOST`) or its fingerprint (`SHA256:...`, from `ssh-keygen -l`)"
            )
        found.append(known)
    if text.strip() and not found:
        raise ValueError("it holds comments but no key. Write the server's key into it, or leave it empty")
    return found


def _known(words: Sequence[str]) -> KnownKey | None:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", word):
            return KnownKey(word.rstrip("="))
        if word in ALGORITHMS:
            try:
                key = base64.b64decode(following, validate=True)
            except binascii.Error:
                return None
            # the key begins with its type, as a text with its length before it
            return KnownKey(fingerprint(key), word) if key[4:].startswith(word.encode()) else None
    return None

"""Private keys and host keys, held against ssh-keygen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airbyte_cdk.sources.file_based.storages.sftp_keys import KnownKey, known_keys, private_key

PASSPHRASE = "grüße aus dem Norden"
KINDS = {
    "rsa": ["-t", "rsa", "-b", "2048"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
    "ed25519": ["-t", "ed25519"],
}
FORMATS = ["RFC4716", "PEM", "PKCS8"]  # as ssh-keygen names them; the first is OpenSSH's own


def made(folder: Path, kind: str, form: str = "RFC4716", passphrase: str = "") -> Path:
    path = folder / f"{kind}-{form}-{bool(passphrase)}"
    command = ["ssh-keygen", "-q", *KINDS[kind], "-m", form, "-N", passphrase, "-C", "a comment", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def public(path: Path) -> str:
    return path.with_name(f"{path.name}.pub").read_text().split()[1]


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE], ids=["open", "locked"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_private_keys(tmp_path: Path, kind: str, form: str, passphrase: str) -> None:
    path = made(tmp_path, kind, form, passphrase)
    assert private_key(path.read_text(), passphrase or None).get_base64() == public(path)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"\n\n  {text}\n\n",
    ],
    ids=["written line ends", "spaces", "windows", "more around it"],
)
def test_private_keys_that_came_through_a_form(tmp_path: Path, spoilt: object) -> None:
    path = made(tmp_path, "ed25519")
    assert callable(spoilt)
    assert private_key(spoilt(path.read_text()), None).get_base64() == public(path)


def test_a_needless_passphrase_is_no_error(tmp_path: Path) -> None:
    for kind, form in (("ed25519", "RFC4716"), ("rsa", "PEM"), ("rsa", "PKCS8")):
        path = made(tmp_path, kind, form)
        assert private_key(path.read_text(), "needless").get_base64() == public(path)


@pytest.mark.parametrize("form", FORMATS)
def test_locked_keys_need_their_passphrase(tmp_path: Path, form: str) -> None:
    text = made(tmp_path, "rsa", form, PASSPHRASE).read_text()
    with pytest.raises(ValueError, match="which the option `passphrase` does not give"):
        private_key(text, None)
    with pytest.raises(ValueError, match="the option `passphrase` is wrong"):
        private_key(text, "wrong")


def test_damaged_keys(tmp_path: Path) -> None:
    lines = made(tmp_path, "rsa").read_text().splitlines()
    with pytest.raises(ValueError, match="damaged"):
        private_key("\n".join(lines[:5] + lines[7:]), None)
    with pytest.raises(ValueError, match="END line"):
        private_key("\n".join(lines[:-1]), None)


def test_keys_that_ssh_does_not_use(tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed448", "-out", str(path)], check=True)
    with pytest.raises(ValueError, match="RSA, ECDSA and Ed25519 can"):
        private_key(path.read_text(), None)


@pytest.mark.parametrize("kind", KINDS)
def test_host_keys_and_fingerprints(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    line = path.with_name(f"{path.name}.pub").read_text()
    printed = subprocess.run(["ssh-keygen", "-l", "-f", f"{path}.pub"], capture_output=True, text=True, check=True)
    shown = printed.stdout.split()[1]
    type_ = line.split()[0]
    assert known_keys(line) == [KnownKey(shown, type_)]
    assert known_keys(f"# server:22 SSH-2.0\n[files.example.com]:2222 {line}\n") == [KnownKey(shown, type_)]
    assert known_keys(shown) == known_keys(printed.stdout) == [KnownKey(shown)]
    assert known_keys(f"{shown}\n{line}") == [KnownKey(shown), KnownKey(shown, type_)]


def test_no_host_keys() -> None:
    assert known_keys(" \n") == []


@pytest.mark.parametrize("text", ["# files.example.com:22 SSH-2.0-OpenSSH_9.2", "\n# one\n\n  # two\n"])
def test_comments_alone_do_not_mean_that_any_server_is_trusted(text: str) -> None:
    with pytest.raises(ValueError, match="it holds comments but no key"):
        known_keys(text)


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("@revoked", "only the keys that are named"),
        ("@cert-authority", "certificates are not supported"),
        ("@other", "is not known"),
    ],
)
def test_marked_lines_are_no_trusted_keys(tmp_path: Path, marker: str, why: str) -> None:
    key = made(tmp_path, "ed25519").with_suffix(".pub").read_text()
    for text in (f"{marker} * {key}", f"{key}\n{marker} files.example.com {key}"):
        with pytest.raises(ValueError, match=f"{why}.*Leave out the line marked {marker}"):
            known_keys(text)

#!/usr/bin/env bash
# Installs the servers that pip cannot install: Azurite into .servers, OpenSSH's sshd into the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

azurite=3.37.0
if ! command -v npm >/dev/null; then
    echo "Azurite, the Azure Blob server of the tests, needs npm: install Node.js 18 or later." >&2
    exit 1
fi
installed=.servers/node_modules/azurite/package.json
if ! grep -qs "\"version\": \"$azurite\"" "$installed"; then
    npm install --prefix .servers --no-audit --no-fund --no-save --loglevel=error "azurite@$azurite"
fi

if [ ! -x /usr/sbin/sshd ] && ! command -v sshd >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        root=()
    elif sudo -n true 2>/dev/null; then
        root=(sudo -n)
    else
        echo "sshd, the SFTP server of the tests, is missing: install openssh-server as root." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    install=("${root[@]}" apt-get install -qq -y --no-install-recommends openssh-server)
    # the lists of packages are often not there, or too old
    "${install[@]}" || { "${root[@]}" apt-get update -qq && "${install[@]}"; }
fi

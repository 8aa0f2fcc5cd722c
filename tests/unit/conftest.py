"""Devices that tests reach: a stand-in for ssh, and an ssh server on this machine."""

import os
import shutil
import socket
import subprocess
import time

import pytest


@pytest.fixture
def stand_in(tmp_path):
    """A program that does what ssh does, on this machine: runs the last of its arguments in a shell."""
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    return (str(script),)


@pytest.fixture
def loopback(tmp_path):
    """An ssh server on this machine with keys of its own: its port, and the ssh that reaches it."""
    server = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if server is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no sshd; install openssh-server")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {tmp_path / 'host'}",
        f"AuthorizedKeysFile {tmp_path / 'authorized'}",
        f"PidFile {tmp_path / 'pid'}",
        "StrictModes no",
        "PasswordAuthentication no",
        "UsePAM no",
    ]
    (tmp_path / "sshd_config").write_text("\n".join(lines) + "\n")
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([server, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=said)
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    if process.poll() is not None:
        pytest.skip(f"sshd does not start here: {(tmp_path / 'said').read_text().strip()[-200:]}")
    options = ["-i", str(tmp_path / "user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    yield port, ("ssh", "-F", "none", *options, "-o", "IdentitiesOnly=yes")
    process.terminate()
    process.wait()

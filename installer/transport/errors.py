"""What can go wrong on the way to a host; the type says whether a later try can help."""

from __future__ import annotations

from installer.core.errors import HostError, RetryableError, SshError


class UnreachableError(SshError, RetryableError):
    """No SSH server answered; a new machine may still be booting."""


class LoginRefusedError(SshError, RetryableError):
    """The server refused our key; a new machine may not have it yet."""


class HostKeyUnknownError(SshError):
    """Nobody has said which key this host has."""


class HostKeyChangedError(SshError):
    """The host's key is not the pinned one: another machine, or somebody in between."""


class NoSudoError(SshError):
    """The user may not become root."""


class ConnectionLostError(SshError, RetryableError):
    """The connection ended in the middle of a command; what it did is not known."""


class PayloadError(HostError):
    """What was to be sent to a host cannot be read here."""


class ScriptError(HostError):
    """A script ended with a failure."""


class ScriptTimeoutError(HostError):
    """A script did not end in time."""


# Words in a command's last lines and what they usually mean.
_CAUSES = (
    ("No space left on device", "the disk is full", "free some space on {host} (`df -h` there shows where)"),
    ("Read-only file system", "the file system is mounted read-only", "`dmesg` on {host} says why"),
    ("Disk quota exceeded", "a disk quota is used up", "raise the quota on {host}"),
    ("Cannot allocate memory", "the host is out of memory", "`free -m` on {host}"),
    ("Address already in use", "another program has the port", "`ss -ltnp` on {host} shows which"),
    ("Operation not permitted", "the kernel or a container forbids it", "is {host} a restricted container?"),
    ("Permission denied", "the user lacks a permission", "does the user reach root on {host}?"),
    ("command not found", "a program is missing on the host", "install it on {host}"),
    ("Text file busy", "a running program's file was to be changed", "repeat the command"),
)


def likely_cause(lines: tuple[str, ...], host: str) -> tuple[str, str]:
    """Cause and next command for a failed command by its last lines; empty texts when nothing is known."""
    text = "\n".join(lines)
    for words, cause, hint in _CAUSES:
        if words in text:
            return cause, hint.format(host=host)
    return "", ""


# What sudo says when it refuses; it also warns of things that hinder nothing, such as an unknown host name.
_NO_SUDO = (
    "sudo: a password is required",
    "sudo: a terminal is required",
    "sudo: no password was provided",
    "incorrect password attempt",
    "is not in the sudoers",
    "is not allowed to",
    "may not run sudo",
    "sudo: you must have a tty",
    "sudo: effective uid is not 0",
    'sudo: The "no new privileges" flag is set',
    "sudo: not found",
    "sudo: command not found",
)


def lacks_sudo(lines: tuple[str, ...]) -> bool:
    """Whether a failed command's last lines say that sudo refused it."""
    return any(words in line for words in _NO_SUDO for line in lines)

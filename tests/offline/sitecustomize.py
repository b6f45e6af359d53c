"""Cut a Python off the network; found by every Python that has this folder on its path, as conftest.py arranges.

This machine itself can be reached: kernels and test runners talk to their parents.
"""

import ipaddress
import socket

_connect, _connect_ex, _look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _refuse(host):
    host = host.decode() if isinstance(host, bytes) else host
    try:
        here = not host or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == socket.gethostname()
    if not here:
        raise OSError(f"Chapters and tests must work without a network, but this one asks for {host}.")


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    return _connect(self, address)


def connect_ex(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    return _connect_ex(self, address)


def getaddrinfo(host, *args, **kwargs):
    _refuse(host)
    return _look_up(host, *args, **kwargs)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo

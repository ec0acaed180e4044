"""XEdDSA: Ed25519-style signatures with an X25519 key (signal.org/docs/specifications/xeddsa)."""

from __future__ import annotations

import hashlib
import os

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_BY = 4 * pow(5, -1, _P) % _P
_Point = tuple[int, int, int, int]
"""Extended twisted Edwards coordinates."""


def sign(private: bytes, message: bytes) -> bytes:
    """Return the 64 bytes of a signature: R and s."""
    clamped = bytearray(private)
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    scalar = int.from_bytes(clamped, "little") % _L
    public = _times_base(scalar)
    if public[31] & 128:  # the Edwards public key's sign bit has to be 0
        scalar, public = _L - scalar, public[:31] + bytes([public[31] & 127])
    prefix = b"\xfe" + b"\xff" * 31
    nonce = _scalar(prefix + scalar.to_bytes(32, "little") + message + os.urandom(64))
    point = _times_base(nonce)
    response = (nonce + _scalar(point + public + message) * scalar) % _L
    return point + response.to_bytes(32, "little")


def _scalar(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % _L


def _x_of(y: int) -> int:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    return x if x % 2 == 0 else _P - x


_BX = _x_of(_BY)
_BASE: _Point = (_BX, _BY, 1, _BX * _BY % _P)


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times_base(scalar: int) -> bytes:
    total: _Point = (0, 1, 1, 0)
    point = _BASE
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point, scalar = _add(point, point), scalar >> 1
    inverse = pow(total[2], -1, _P)
    x, y = total[0] * inverse % _P, total[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")

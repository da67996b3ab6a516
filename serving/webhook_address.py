"""Where a webhook may go: whoever may subscribe must not reach through us what only this machine's network sees.

A name is judged by the addresses that it resolves to, again for each delivery and on those very addresses that are
connected to, so that a name which changes its address after it was accepted gains nothing.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from errno import EACCES
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from features.errors import FieldError

ALLOW_VARIABLE = "LAGNIAPPE_WEBHOOKS_ALLOW"
"""Names, with commas, what is refused otherwise: ``loopback``, ``private`` (other networks of one's own), ``http``."""
LONGEST_URL = 2048
_NAMES = ("loopback", "private", "http")
LOCALHOST = "localhost"
"""The one name that plain http may go to where only loopback is allowed."""
_NAT64 = IPv6Network("64:ff9b::/96")
_EXPECTED = "an https:// address on the public internet"

Address = IPv4Address | IPv6Address


class AddressRefusedError(OSError):
    """A name resolves to where webhooks may not go; an ``OSError``, as any other address that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Beyond addresses of the public internet under https."""

    loopback: bool = False
    private: bool = False
    http: bool = False

    def reaches(self, address: Address, *, is_plain: bool) -> bool:
        """Whether a webhook may go there; ``is_plain`` is one without TLS."""
        address = _meant(address)
        if address.is_loopback:
            return self.loopback or self.private
        if is_plain and not self.http:
            return False
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        return address.is_global or self.private


def allowed_by(said: str | None) -> Allowed:
    """What the variable allows.

    >>> allowed_by("loopback, http")
    Allowed(loopback=True, private=False, http=True)

    Raises
    ------
    FieldError
    """
    names = [name.strip() for name in (said or "").split(",") if name.strip()]
    for name in names:
        if name not in _NAMES:
            raise FieldError(ALLOW_VARIABLE, said, f"some of {', '.join(_NAMES)}, with commas")
    return Allowed(**dict.fromkeys(names, True))


def read_allowed() -> Allowed:
    return allowed_by(os.environ.get(ALLOW_VARIABLE))


def checked_url(url: str, allowed: Allowed) -> str:
    """The URL, if by itself nothing speaks against it; what its name resolves to is asked at each delivery.

    Raises
    ------
    FieldError
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is none
    except ValueError as error:
        raise FieldError("url", url, f"{_EXPECTED} ({error})") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or len(url) > LONGEST_URL or not url.isascii():
        raise FieldError("url", url, f"{_EXPECTED} of at most {LONGEST_URL} ASCII characters")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise FieldError("url", parts.scheme + "://…", "a URL without user, password and fragment")
    address = literal(parts.hostname)
    is_plain = parts.scheme == "http"
    is_here = parts.hostname == LOCALHOST and (allowed.loopback or allowed.private)
    if address is None and is_plain and not (allowed.http or is_here):
        raise FieldError("url", url, f"https, unless {ALLOW_VARIABLE} allows http")
    if address is not None and not allowed.reaches(address, is_plain=is_plain):
        raise FieldError("url", url, f"{_EXPECTED}, unless {ALLOW_VARIABLE} allows more")
    return url


def literal(host: str) -> Address | None:
    """The address that a host is, unless it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def require_reachable(host: str, addresses: Collection[str], allowed: Allowed, *, is_plain: bool) -> None:
    """
    Raises
    ------
    AddressRefusedError
        If any of the addresses is where webhooks may not go.
    """
    for one in addresses:
        if not allowed.reaches(ip_address(one.partition("%")[0]), is_plain=is_plain):
            raise AddressRefusedError(EACCES, f"{host} is at {one}, where webhooks may not go")


def _meant(address: Address) -> Address:
    """The IPv4 address within one of IPv6 that is only a way to write it, or a way there."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)

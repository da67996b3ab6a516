"""Where webhooks may go."""

from ipaddress import ip_address

import pytest

from features.errors import FieldError
from serving.webhook_address import AddressRefusedError, Allowed, allowed_by, checked_url, require_reachable

STRICT = Allowed()
OWN = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "::",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
)


@pytest.mark.parametrize("address", OWN)
def test_what_only_this_network_sees_is_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        require_reachable("name", ["93.184.216.34", address], STRICT, is_plain=False)


def test_the_public_internet_is_reached_under_tls_only() -> None:
    assert STRICT.reaches(ip_address("93.184.216.34"), is_plain=False)
    assert not STRICT.reaches(ip_address("93.184.216.34"), is_plain=True)
    assert Allowed(http=True).reaches(ip_address("93.184.216.34"), is_plain=True)


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"])  # noqa: S104
def test_no_setting_opens_the_addresses_of_no_host(address: str) -> None:
    assert not Allowed(loopback=True, private=True, http=True).reaches(ip_address(address), is_plain=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https:///nowhere",
        "not a url",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://ex\u0430mple.com/",
        "https://[::1]/",
        "http://example.com/",
        "http://localhost/",
        "https://10.0.0.1/hook",
        "https://example.com/" + "a" * 3_000,
    ],
)
def test_a_url_that_cannot_do_is_refused_by_its_field(url: str) -> None:
    with pytest.raises(FieldError) as refused:
        checked_url(url, STRICT)

    assert refused.value.field == "url"
    assert "secret" not in str(refused.value)


def test_loopback_needs_no_tls_where_it_is_allowed() -> None:
    for url in ("http://127.0.0.1:8080/hook", "http://localhost/hook", "https://example.com/hook"):
        assert checked_url(url, Allowed(loopback=True)) == url
    with pytest.raises(FieldError):
        checked_url("http://10.0.0.1/hook", Allowed(loopback=True))


def test_a_setting_that_means_nothing_is_named() -> None:
    with pytest.raises(FieldError, match="LAGNIAPPE_WEBHOOKS_ALLOW"):
        allowed_by("everything")

"""Which addresses a URL of a stranger's may lead to."""

from __future__ import annotations

import pytest

from grantway.protocol.addresses import is_public_address, is_within, parse_networks

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:830::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)
NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8",
    "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "64:ff9b:1:7f00:0:100::", "100::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
)  # fmt: skip
NO_ADDRESS = (
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "fe80::1%eth0",
    "8.8.8.8%1",
    "8.8.8",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.threat("T70")
@pytest.mark.threat("T71")
@pytest.mark.spec("RFC 6890 §2.2.2")
@pytest.mark.spec("RFC 4291 §2.4")
@pytest.mark.spec("RFC 6052 §2.1")
@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_of_a_special_purpose_is_not_however_it_is_wrapped(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.spec("RFC 4007 §11")
@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public_address(text)
    assert not is_within(text, parse_networks(["0.0.0.0/0", "::/0"]))


def test_a_network_holds_its_addresses_in_every_form() -> None:
    networks = parse_networks(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd12::1", "192.0.2.7"):
        assert is_within(address, networks), address
    for address in ("11.0.0.1", "::1", "192.0.2.8"):
        assert not is_within(address, networks), address


@pytest.mark.parametrize("text", ["10.0.0.1/8", "office", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("/")[0]):
        parse_networks([text])

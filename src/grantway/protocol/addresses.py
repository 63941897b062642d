"""Which addresses are somebody else's public ones: the rule that keeps outgoing requests out of private networks.

The list is our own. The ``ipaddress`` module of Python 3.11 calls a loopback address behind NAT64 or 6to4 global, and
all of multicast, and it answers differently from one Python to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

# The IANA IPv4 Special-Purpose Address Registry (RFC 6890 §2.2.2), multicast, and what clouds use for themselves.
_SPECIAL_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host, this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; also Alibaba Cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, of a public range but the same in every network of theirs
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; also Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunnelling
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# The IANA IPv6 Special-Purpose Address Registry; of the rest, only 2000::/3 has been given out (RFC 4291 §2.4).
_SPECIAL_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "::/3",  # unspecified, loopback, IPv4-compatible, NAT64 of local use (64:ff9b:1::/48), discard-only
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address of whatever kind
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
        "4000::/2",  # not given out; segment routing (5f00::/16)
        "8000::/1",  # not given out; unique local (fc00::/7), link-local, site-local (fec0::/10), multicast (ff00::/8)
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: what stands in it is the IPv4 address that is reached


def is_public_address(address: str) -> bool:
    """Whether it is a unicast address of the public Internet. What is no address at all, or has a zone, is not."""
    parsed = _parse_address(address)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _SPECIAL_IPV4)
    return parsed is not None and not any(parsed in network for network in _SPECIAL_IPV6)


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether the address, or the IPv4 address inside it, belongs to one of ``networks``."""
    parsed = _parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def parse_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """Networks as ``10.0.0.0/8`` or ``fd00::/8``, or single addresses.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(network) for network in networks)


def _parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """The address that a connection would reach: an IPv4 address inside an IPv6 one is taken out."""
    if "%" in address:  # a zone names an interface of this machine (RFC 4007 §11)
        return None
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return parsed.ipv4_mapped
        if parsed in _NAT64:
            return IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed

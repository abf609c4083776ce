"""What is kept between runs, where, and who may read it."""

import stat
from pathlib import Path

import pytest

from hoopctl.errors import NotSignedIn, UsageProblem
from hoopctl.identity.private_files import write_private
from hoopctl.profiles import Home, ServerAddress, open_home, parse_server


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("gw.example.com", ServerAddress("gw.example.com", 7443)),
        ("gw.example.com:443", ServerAddress("gw.example.com", 443)),
        ("https://gw.example.com:8443/", ServerAddress("gw.example.com", 8443)),
        ("127.0.0.1:1", ServerAddress("127.0.0.1", 1)),
        ("[::1]:7443", ServerAddress("::1", 7443)),
    ],
)
def test_addresses_are_read_in_the_forms_people_write(text: str, address: ServerAddress) -> None:
    assert parse_server(text) == address
    assert parse_server(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "http://gw.example.com", "gw:0", "gw:99999", "gw:port", "gw/path", "user@gw", "https://", "[::1", "a b:x"],
)
def test_what_is_no_address_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageProblem, match="is not the address of a gateway"):
        parse_server(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_known_by_address(host: str) -> None:
    assert ServerAddress(host, 1).is_loopback


@pytest.mark.parametrize("host", ["localhost.example.com", "10.0.0.1", "127.0.0.1.example.com", "0.0.0.0"])
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    assert not ServerAddress(host, 1).is_loopback


def test_hoopctl_home_is_the_directory_of_all_files(tmp_path: Path) -> None:
    home = open_home({"HOOPCTL_HOME": str(tmp_path / "here")})
    profile = home.profile("default")
    profile.remember_server(parse_server("gw:1"))
    assert {path.is_relative_to(tmp_path / "here") for path in tmp_path.rglob("profile.json")} == {True}


def test_profiles_keep_servers_ports_and_cas_apart(tmp_path: Path) -> None:
    home = Home(tmp_path)
    alice, bob = home.profile("alice"), home.profile("bob")
    alice.remember_server(parse_server("a:1"))
    alice.remember_port("prod-db", 5433)
    alice.trust_ca(parse_server("a:1"), "pem")
    assert alice.server == parse_server("a:1")
    assert (alice.last_port("prod-db"), alice.last_port("other")) == (5433, None)
    assert alice.ports_of_others("other") == {5433}
    assert alice.trusted_ca(parse_server("a:1")) == "pem"
    assert alice.trusted_ca(parse_server("a:2")) is None
    assert (bob.server, bob.last_port("prod-db"), bob.trusted_ca(parse_server("a:1"))) == (None, None, None)


def test_the_server_of_a_run_wins_over_the_remembered_one(tmp_path: Path) -> None:
    Home(tmp_path).profile("p").remember_server(parse_server("kept:1"))
    assert Home(tmp_path).profile("p", "given:2").server == parse_server("given:2")
    assert Home(tmp_path).profile("p").server == parse_server("kept:1")


def test_no_server_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn) as raised:
        Home(tmp_path).profile("p").require_server()
    assert "hoopctl login --server" in (raised.value.hint or "")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a b", "-x", ".hidden", "x" * 65, "a\n"])
def test_a_name_that_could_leave_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageProblem):
        Home(tmp_path).profile(name)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    profile = Home(tmp_path / "home").profile("p")
    profile.remember_port("prod-db", 5433)
    profile.trust_ca(parse_server("gw:1"), "pem")
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    profile = Home(tmp_path).profile("p")
    write_private(profile.directory / "profile.json", "{")
    with pytest.raises(UsageProblem, match=r"profile\.json cannot be read"):
        profile.require_server()

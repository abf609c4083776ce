"""Which CA is trusted for a gateway: pinned on loopback, refused elsewhere, never changed in silence."""

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest

from hoopctl.client import trust
from hoopctl.errors import Unreachable, UsageProblem
from hoopctl.profiles import Home, Profile, parse_server
from tests.fixtures.scripted_gateway import Certificates, ScriptedGateway, make_certificates


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Home(tmp_path / "home").profile("default")


def shown(certificates: Certificates) -> str:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificates.ca)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


async def test_an_unknown_ca_is_pinned_on_loopback_and_told(
    profile: Profile, scripted_gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    server = parse_server(scripted_gateway.address)
    settled = await trust.settle(profile, server)
    assert settled == trust.Trust(profile.trusted_ca(server) or "", shown(scripted_gateway.certificates))
    assert shown(scripted_gateway.certificates) in capsys.readouterr().err
    assert await trust.settle(profile, server) == settled
    assert capsys.readouterr().err == ""


async def test_a_changed_pin_is_refused_with_both_fingerprints(
    profile: Profile, scripted_gateway: ScriptedGateway
) -> None:
    server = parse_server(scripted_gateway.address)
    other = make_certificates()
    profile.trust_ca(server, other.ca)
    with pytest.raises(Unreachable) as raised:
        await trust.settle(profile, server)
    assert shown(other) in raised.value.message
    assert shown(scripted_gateway.certificates) in raised.value.message
    assert "--ca FILE" in (raised.value.hint or "")
    assert profile.trusted_ca(server) == other.ca


async def test_elsewhere_than_loopback_an_unknown_ca_is_refused_with_its_fingerprint(
    profile: Profile, scripted_gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust.ServerAddress, "is_loopback", False)
    monkeypatch.setattr(trust, "proxy_for", lambda _: None)
    server = parse_server(scripted_gateway.address)
    with pytest.raises(Unreachable) as raised:
        await trust.settle(profile, server)
    assert shown(scripted_gateway.certificates) in raised.value.message
    assert f"hoopctl login --server {server} --ca FILE" in (raised.value.hint or "")
    assert profile.trusted_ca(server) is None


async def test_a_given_ca_is_kept_once_the_gateway_has_shown_it(
    profile: Profile, scripted_gateway: ScriptedGateway, tmp_path: Path
) -> None:
    server = parse_server(scripted_gateway.address)
    file = tmp_path / "ca.pem"
    file.write_text(scripted_gateway.certificates.ca)
    profile.trust_ca(server, make_certificates().ca)
    await trust.settle(profile, server, file)
    assert profile.trusted_ca(server) == scripted_gateway.certificates.ca


async def test_a_given_ca_that_does_not_fit_is_refused_and_not_kept(
    profile: Profile, scripted_gateway: ScriptedGateway, tmp_path: Path
) -> None:
    server = parse_server(scripted_gateway.address)
    file = tmp_path / "ca.pem"
    file.write_text(make_certificates().ca)
    with pytest.raises(Unreachable, match="not the one in the CA file"):
        await trust.settle(profile, server, file)
    assert profile.trusted_ca(server) is None


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_file_that_is_no_ca_is_named(profile: Profile, tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content)
    with pytest.raises(UsageProblem, match=r"ca\.pem holds no certificate"):
        await trust.settle(profile, parse_server("127.0.0.1:1"), file)
    with pytest.raises(UsageProblem, match="cannot be read"):
        await trust.settle(profile, parse_server("127.0.0.1:1"), tmp_path / "absent")


async def test_a_certificate_for_another_name_is_refused(profile: Profile) -> None:
    gateway = ScriptedGateway(make_certificates(["gateway.example.com"]))
    await gateway.start()
    server = parse_server(gateway.address)
    profile.trust_ca(server, gateway.certificates.ca)
    with pytest.raises(Unreachable, match="is for another name"):
        await trust.settle(profile, server)
    await gateway.stop()


async def test_nobody_there_is_one_sentence(profile: Profile) -> None:
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    with pytest.raises(Unreachable, match=f"out of reach at 127.0.0.1:{port}: connection refused.") as raised:
        await trust.settle(profile, parse_server(f"127.0.0.1:{port}"))
    assert raised.value.exit_code == 6


async def test_a_name_that_nobody_has_is_one_sentence(profile: Profile) -> None:
    with pytest.raises(Unreachable, match=r"out of reach at gateway\.invalid:1: ") as raised:
        await trust.settle(profile, parse_server("gateway.invalid:1"))
    assert "[Errno" not in raised.value.message


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"E\0\0\0\x0ano tls\0", b""])
async def test_a_server_without_tls_is_no_gateway(profile: Profile, answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="is not a hoopd gateway"):
            await trust.settle(profile, parse_server(f"127.0.0.1:{port}"))


async def test_a_tls_server_that_speaks_no_http_2_is_no_gateway(
    profile: Profile, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "chain").write_text(certificates.chain)
    (tmp_path / "key").write_text(certificates.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="is not a hoopd gateway"):
            await trust.settle(profile, parse_server(f"127.0.0.1:{port}"))
    assert not (profile.directory / "ca").exists()


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    assert trust.proxy_for(parse_server("127.0.0.1:7443")) is None
    assert trust.proxy_for(parse_server("gw.example.com:7443")) == "http://proxy.example.com:3128"
    monkeypatch.setenv("no_proxy", "gw.example.com")
    assert trust.proxy_for(parse_server("gw.example.com:7443")) is None

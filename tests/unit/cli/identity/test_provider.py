"""Which providers are talked to, and what of their answers is believed."""

from typing import Any

import httpx
import pytest

from hoopctl.errors import HoopctlError, Unreachable, UsageProblem
from hoopctl.identity.provider import Answer, discover, http_factory, request
from hoopd.dev.oidc import DevProvider

ISSUER = "https://id.example.com"


def factory(answer: httpx.Response) -> Any:
    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    return lambda: httpx.Client(transport=httpx.MockTransport(handle))


@pytest.mark.parametrize(
    "issuer",
    ["http://id.example.com", "ftp://127.0.0.1", "", "id.example.com", "https://a@b", "http://127.0.0.1.nip.io"],
)
def test_a_provider_without_https_is_not_talked_to(issuer: str) -> None:
    with pytest.raises(HoopctlError, match="not reached over https"):
        http_factory(issuer)


def test_loopback_is_never_reached_through_a_proxy(oidc_provider: DevProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    endpoints = discover(http_factory(oidc_provider.issuer), oidc_provider.issuer)
    assert endpoints.token == f"{oidc_provider.issuer}/token"


def test_a_ca_file_that_holds_none(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(UsageProblem, match="cannot be read as certificates"):
            http_factory(ISSUER, tmp_path / name)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"issuer": "https://attacker.example"}, "is another identity provider"),
        ({"issuer": f"{ISSUER}/"}, "is another identity provider"),
        ({"issuer": ISSUER}, "names no endpoint for tokens"),
        ({"issuer": ISSUER, "token_endpoint": "http://id.example.com/token"}, "not safe to call"),
        ({"issuer": ISSUER, "token_endpoint": "https://127.0.0.1/token"}, "not safe to call"),
        ({"issuer": ISSUER, "token_endpoint": 7}, "not safe to call"),
        (
            {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/t", "device_authorization_endpoint": "file:///x"},
            "not safe to call",
        ),
    ],
)
def test_discovery_documents_that_are_not_believed(document: dict[str, Any], message: str) -> None:
    with pytest.raises(HoopctlError, match=message):
        discover(factory(httpx.Response(200, json=document)), ISSUER)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (httpx.Response(404, json={}), Unreachable, "answers 404"),
        (httpx.Response(500, text="oops"), Unreachable, "answers 500"),
        (httpx.Response(200, text="<html>"), HoopctlError, "is not an identity provider"),
        (httpx.Response(200, text="[" * 50_000), HoopctlError, "is not an identity provider"),
        (httpx.Response(302, headers={"Location": "https://x"}), HoopctlError, "is not an identity provider"),
        (httpx.Response(200, content=b" " * (1024 * 1024 + 1)), HoopctlError, "answers without end"),
    ],
)
def test_answers_that_are_no_discovery_document(answer: httpx.Response, kind: type[HoopctlError], message: str) -> None:
    with pytest.raises(kind, match=message):
        discover(factory(answer), ISSUER)


def test_what_a_provider_says_is_made_fit_to_show() -> None:
    said = Answer(400, {"error": "x", "error_description": "a\x1b]0;b\x07\u202ec" + "d" * 1000}).said()
    assert said.isprintable()
    assert len(said) == 200
    assert Answer(400, {"error": 7}).said() == "status 400"


def test_an_address_nobody_listens_at(oidc_provider: DevProvider) -> None:
    http = http_factory(oidc_provider.issuer)
    oidc_provider.stop()
    with pytest.raises(Unreachable, match="does not answer at http://127"):
        request(http, "GET", f"{oidc_provider.issuer}/jwks")

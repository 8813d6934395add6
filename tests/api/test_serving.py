"""Laws of serving, over real processes and sockets: closed by default, a first line works, stopping loses nothing."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from fm_anomaly.api import serve
from fm_anomaly.api.serving import ServeParams
from fm_anomaly.errors import UsageError
from fm_anomaly.storage import default_path, open_store, save_scan
from tests.api.server import Server, eventually
from tests.scan_objects import make_alert, make_incident, make_scan


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", ""])  # noqa: S104 - refused
def test_an_address_of_the_network_is_refused(tmp_path: Path, host: str) -> None:
    """Without a token and without the word that it may be open, nothing is opened; the refusal says both ways."""
    with pytest.raises(UsageError, match=r"FM_ANOMALY_TOKEN.*--allow-anonymous"):
        serve(ServeParams(tmp_path / "d", host))
    assert not (tmp_path / "d").exists()


def test_a_taken_port_and_a_taken_folder_are_one_sentence_each(tmp_path: Path) -> None:
    """A port that cannot be bound names address, port and the next step; so does a folder that another one holds."""
    with Server(tmp_path) as server:
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1 port {server.port}.*--port"):
            serve(ServeParams(tmp_path / "other", port=server.port))
        with pytest.raises(UsageError, match="in use by another"):
            serve(ServeParams(tmp_path, port=0))


def test_the_greeting_works_word_for_word(tmp_path: Path) -> None:
    """On an empty machine: the address is printed, and the printed curl sends a line that the next one shows."""
    with Server(tmp_path / "d", is_named=True) as server:
        assert "is new" in server.told
        commands = [line.removeprefix("note:").strip() for line in server.told.splitlines() if " curl " in line]
        sent, asked = (subprocess.run(shlex.split(each), capture_output=True, check=True) for each in commands)
        assert b'"accepted":1' in sent.stdout
        assert b'"lines"' in asked.stdout
        eventually(lambda: server.get("/api/v1/intake").json()["total"]["counted"] == 1)
    with Server(tmp_path / "d", is_named=True) as server:
        assert "is new" not in server.told


def test_what_is_in_the_store_is_served(tmp_path: Path) -> None:
    """What a scan saved is read, what is saved meanwhile too; another host name is refused."""
    with open_store(default_path(tmp_path)) as store:
        save_scan(store, "default", make_scan(make_incident(make_alert())))
        with Server(tmp_path) as server:
            assert [each["alert_id"] for each in server.get("/api/v1/alerts").json()] == ["a1"]
            save_scan(store, "default", make_scan(make_incident(make_alert(alert_id="a2")), lines=11))
            assert server.get("/api/v1/alerts").headers["X-Total-Count"] == "2"
            assert server.get("/health", Host="evil.example").status_code == 400


def test_stopping_drains_and_leaves_no_unredacted_byte(tmp_path: Path) -> None:
    """SIGTERM ends with 0; everything acknowledged is counted after a start, and no segment is left behind."""
    with Server(tmp_path) as server:
        for at in range(5):
            assert server.post("/api/v1/logs", b"ERROR password=hunter2 again\n" * (at + 1)).status_code == 200
        assert server.stop() == 0
    assert not list((tmp_path / "log").glob("*.seg"))
    assert all(b"hunter2" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with Server(tmp_path) as server:
        total = server.get("/api/v1/intake").json()["total"]
        assert (total["lines"], total["batches"]) == (15, 5)


def test_a_token_is_needed_where_one_is_set(tmp_path: Path) -> None:
    """Everything but health asks for it; without, 401 with how to send it, and nothing of a body is taken."""
    token = "0123456789abcdef" * 2
    with Server(tmp_path, environ={"FM_ANOMALY_TOKEN": token}) as server:
        assert server.get("/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
            refused = server.get("/api/v1/alerts", **headers)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert server.post("/api/v1/logs", b"x\n", **headers).status_code == 401
        known = {"Authorization": f"Bearer {token}"}
        assert server.get("/api/v1/alerts", **known).status_code == 200
        assert server.get("/api/v1/intake", **known).json()["total"]["lines"] == 0
        assert token not in server.told


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    """A token too short to be one is refused at the start."""
    with Server(tmp_path, environ={"FM_ANOMALY_TOKEN": "short"}, is_expected=False) as server:
        assert server.process.wait(60) == 2
        eventually(lambda: "at least 16" in server.told)


# -- TLS ---------------------------------------------------------------------------------------------------------------


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    cert = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(written)
    return folder / "cert.pem", folder / "key.pem"


def test_tls_by_file(tmp_path: Path) -> None:
    """With a certificate and its key it speaks HTTPS and nothing else, and the greeting says so."""
    import ssl

    import httpx

    cert, key = make_certificate(tmp_path)
    token = "0123456789abcdef" * 2
    options = ("--tls-cert", str(cert), "--tls-key", str(key))
    with Server(tmp_path / "d", environ={"FM_ANOMALY_TOKEN": token}, options=options, scheme="https") as server:
        context = ssl.create_default_context(cafile=str(cert))
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{server.port}", timeout=60) as client:
            assert client.get("/api/v1/alerts", headers=headers).json() == []
            assert client.get("/api/v1/alerts").status_code == 401
            form = {"key": token}
            own = {"Origin": f"https://127.0.0.1:{server.port}"}
            signed_in = client.post("/sign-in", data=form, headers=own)
            assert "secure" in signed_in.headers["set-cookie"].lower()
            assert client.get("/services", headers={"Accept": "text/html"}).status_code == 200
        with pytest.raises(httpx.HTTPError):
            server.get("/health")
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("cert", "key", "told"),
    [
        ("cert.pem", None, "needs both"),
        ("absent.pem", "key.pem", "absent.pem"),
        ("key.pem", "key.pem", "cannot be used"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused(tmp_path: Path, cert: str, key: str | None, told: str) -> None:
    """Before anything is opened, with the file's name."""
    make_certificate(tmp_path)
    named = None if key is None else tmp_path / key
    with pytest.raises(UsageError, match=told):
        serve(ServeParams(tmp_path / "d", port=0, tls_cert=tmp_path / cert, tls_key=named))
    assert not (tmp_path / "d").exists()

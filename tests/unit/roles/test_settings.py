"""Settings come from variables; what does not work is named."""

import base64
from pathlib import Path

import pytest

from kokoa.roles.data import load_given
from kokoa.roles.platform import require_servers
from kokoa.roles.settings import InvalidSetting, Settings, load_settings, master_key, servers_file


def settings(tmp_path: Path, **variables: str) -> Settings:
    return load_settings({"KOKOA_STATE_DIR": str(tmp_path), **variables})


def test_defaults_make_a_laptop_work(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.url, found.web_processes, found.demo) == ("http://127.0.0.1:8080", 2, True)
    assert found.state_dir.is_absolute()
    assert found.port_of("catalog") == 8083
    assert found.port_of("gateway") == 8081


def test_variables_are_converted_and_wrong_ones_are_named(tmp_path: Path) -> None:
    found = settings(tmp_path, KOKOA_PORT="9000", KOKOA_DEMO="false", KOKOA_PREWARM="")
    assert (found.port, found.demo, found.prewarm) == (9000, False, 2)
    with pytest.raises(InvalidSetting, match="KOKOA_PORT='many'"):
        settings(tmp_path, KOKOA_PORT="many")
    for wrong in ("collector:4318", "grpc://collector", "http://"):
        with pytest.raises(InvalidSetting, match=f"KOKOA_OTLP_URL='{wrong}'"):
            settings(tmp_path, KOKOA_OTLP_URL=wrong)
    assert settings(tmp_path, KOKOA_OTLP_URL="https://collector/otlp/").otlp_url == "https://collector/otlp/"
    for wrong in ("api.stripe.com", "https://", "https://stripe/v1", "https://stripe?x"):
        with pytest.raises(InvalidSetting, match="KOKOA_STRIPE_URL"):
            settings(tmp_path, KOKOA_STRIPE_URL=wrong)
    with pytest.raises(InvalidSetting, match="names no port"):
        settings(tmp_path, KOKOA_CATALOG_URL="http://catalog").port_of("catalog")


def test_announced_servers_fill_in_what_is_not_set_but_are_not_the_operators(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="kokoa up"):
        require_servers(settings(tmp_path))
    servers_file(tmp_path).write_text('{"database_url": "postgresql:///a", "nats_url": "nats://b"}')
    found = settings(tmp_path)
    assert require_servers(found) == ("postgresql:///a", "nats://b")
    assert load_given(found) == ("", "")
    own = settings(tmp_path, KOKOA_NATS_URL="nats://mine")
    assert load_given(own) == ("", "nats://mine")


def test_the_master_key_is_made_once_and_may_come_from_outside(tmp_path: Path) -> None:
    made = master_key(settings(tmp_path))
    assert len(made) == 32
    assert master_key(settings(tmp_path)) == made
    assert (tmp_path / "secrets" / "master.key").stat().st_mode & 0o777 == 0o600
    given = base64.b64encode(bytes(32)).decode()
    assert master_key(settings(tmp_path, KOKOA_MASTER_KEY=given)) == bytes(32)
    for wrong in ("short", base64.b64encode(b"short").decode()):
        with pytest.raises(InvalidSetting, match="KOKOA_MASTER_KEY"):
            master_key(settings(tmp_path, KOKOA_MASTER_KEY=wrong))

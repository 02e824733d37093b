"""Every service is a role that can be served alone."""

from typing import get_args

from kokoa.cli.serve import Role
from kokoa.roles import web
from kokoa.roles.platform import SCHEMAS, SERVICES
from kokoa.roles.settings import Settings


def test_every_service_has_a_schema_a_role_and_a_factory() -> None:
    assert set(SERVICES) <= set(SCHEMAS)
    assert set(SERVICES) <= set(get_args(Role))
    assert [name for name in SERVICES if not callable(getattr(web, f"create_{name}", None))] == []


def test_no_two_services_have_the_same_port() -> None:
    settings = Settings()
    ports = [settings.port_of(name) for name in SERVICES]
    assert len(set(ports)) == len(ports)

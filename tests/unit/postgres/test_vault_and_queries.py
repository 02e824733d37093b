"""Sealed secrets, and files of named statements."""

import secrets
from pathlib import Path

import pytest

from kokoa.postgres.queries import QueryFileInvalid, load_queries
from kokoa.postgres.vault import SealBroken, Vault


def test_a_sealed_value_opens_in_its_place_only() -> None:
    vault = Vault(secrets.token_bytes(32))
    sealed = vault.seal(b"secret", place="here")
    assert b"secret" not in sealed
    assert vault.seal(b"secret", place="here") != sealed
    assert vault.open(sealed, place="here") == b"secret"
    with pytest.raises(SealBroken):
        vault.open(sealed, place="there")
    with pytest.raises(SealBroken):
        Vault(secrets.token_bytes(32)).open(sealed, place="here")


@pytest.mark.parametrize("position", [0, 1, 13, -1])
def test_any_changed_byte_breaks_the_seal(position: int) -> None:
    vault = Vault(bytes(32))
    sealed = bytearray(vault.seal(b"secret", place="here"))
    sealed[position] ^= 1
    with pytest.raises(SealBroken):
        vault.open(bytes(sealed), place="here")


def test_a_master_key_of_another_length_and_an_empty_seal_are_refused() -> None:
    with pytest.raises(SealBroken, match="32 bytes"):
        Vault(b"short")
    with pytest.raises(SealBroken):
        Vault(bytes(32)).open(b"", place="here")


def test_derived_secrets_differ_by_purpose_and_stay_the_same() -> None:
    vault = Vault(bytes(32))
    assert vault.derive("a") == Vault(bytes(32)).derive("a") != vault.derive("b")


def write(folder: Path, text: str) -> Path:
    path = folder / "queries.sql"
    path.write_text(text)
    return path


def test_statements_are_attributes(tmp_path: Path) -> None:
    queries = load_queries(
        write(tmp_path, "-- name: one\n-- A number.\nSELECT 1;\n\n-- name: two\n-- Another.\nSELECT\n2;")
    )
    assert queries.one.endswith("SELECT 1")
    assert queries.two.endswith("SELECT\n2")
    with pytest.raises(AttributeError, match="no statement named 'three'"):
        _ = queries.three


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-- name: one\nSELECT 1;", "does not say what it is for"),
        ("SELECT 0;\n-- name: one\n-- A number.\nSELECT 1;", "before the first"),
        ("-- name: one\n-- A.\nSELECT 1;\n-- name: one\n-- B.\nSELECT 2;", "two statements"),
    ],
)
def test_a_careless_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(QueryFileInvalid, match=reason):
        load_queries(write(tmp_path, text))

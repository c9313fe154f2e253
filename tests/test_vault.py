"""Keys: what a thief of the database can read, and what an operator can rotate."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import SettingsError, load
from bot.vault import SecretKeys, Vault, VaultError, WrappedKey, keys_for

KEYS = SecretKeys.parse(SecretKeys.generate())
VAULT = Vault(KEYS)
DATA_KEY = VAULT.unwrap(VAULT.new_data_key())
any_text = st.text(st.characters())  # lone surrogates too


@given(st.binary(max_size=2000), st.binary(max_size=50))
def test_what_is_sealed_opens_again(plain: bytes, associated: bytes) -> None:
    sealed = VAULT.encrypt(DATA_KEY, plain, associated)
    assert VAULT.decrypt(DATA_KEY, sealed, associated) == plain
    assert len(sealed) == len(plain) + 28


@given(st.binary(min_size=8, max_size=200))
def test_sealed_bytes_do_not_show_what_was_written(plain: bytes) -> None:
    assert plain not in VAULT.encrypt(DATA_KEY, plain, b"")
    assert VAULT.encrypt(DATA_KEY, plain, b"") != VAULT.encrypt(DATA_KEY, plain, b"")


@given(st.binary(max_size=100), st.data())
def test_changed_bytes_do_not_open(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(VAULT.encrypt(DATA_KEY, plain, b"here"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VaultError):
        VAULT.decrypt(DATA_KEY, bytes(sealed), b"here")


def test_a_message_moved_to_another_conversation_does_not_open() -> None:
    with pytest.raises(VaultError):
        VAULT.decrypt(DATA_KEY, VAULT.encrypt(DATA_KEY, b"x", b"one place"), b"another place")


@given(st.binary(max_size=40))
def test_rubbish_does_not_open_and_does_not_crash(rubbish: bytes) -> None:
    with pytest.raises(VaultError):
        VAULT.decrypt(DATA_KEY, rubbish, b"")
    with pytest.raises(VaultError):
        VAULT.unwrap(WrappedKey(VAULT.new_data_key().key_id, rubbish))


def test_after_rotation_old_conversations_are_read_and_rewrapped_and_the_old_key_can_go() -> None:
    new_wrap = SecretKeys.parse(SecretKeys.generate()).wrapping
    both = Vault(SecretKeys(new_wrap + KEYS.wrapping, KEYS.naming))
    only_new = Vault(SecretKeys(new_wrap, KEYS.naming))
    old = VAULT.new_data_key()
    assert both.unwrap(old) == VAULT.unwrap(old)
    moved = both.rewrap(old)
    assert moved.key_id != old.key_id
    assert only_new.unwrap(moved) == VAULT.unwrap(old)
    assert both.rewrap(moved) is moved
    with pytest.raises(VaultError, match="does not hold"):
        only_new.unwrap(old)


@given(any_text, any_text)
def test_an_address_has_one_name_that_does_not_show_it(channel: str, address: str) -> None:
    name = VAULT.pseudonym(channel, address)
    assert name == VAULT.pseudonym(channel, address)
    assert len(name) == 64
    assert int(name, 16) >= 0
    assert name != VAULT.receipt(channel, address)
    assert name != Vault(SecretKeys.parse(SecretKeys.generate())).pseudonym(channel, address)


@given(any_text, any_text, any_text, any_text)
def test_two_people_never_share_a_name(channel: str, address: str, other_channel: str, other_address: str) -> None:
    same = (channel, address) == (other_channel, other_address)
    assert (VAULT.pseudonym(channel, address) == VAULT.pseudonym(other_channel, other_address)) is same


def test_joined_parts_do_not_run_into_each_other() -> None:
    assert VAULT.pseudonym("a", "bc") != VAULT.pseudonym("ab", "c")


def test_after_rotation_of_the_naming_key_a_person_is_found_under_old_names_too() -> None:
    rotated = Vault(SecretKeys(KEYS.wrapping, SecretKeys.parse(SecretKeys.generate()).naming + KEYS.naming))
    names = rotated.pseudonyms("sms", "+1 202 555 0101")
    assert len(names) == 2
    assert names[1] == VAULT.pseudonym("sms", "+1 202 555 0101")
    assert rotated.receipts("sms", "SM1")[1] == VAULT.receipt("sms", "SM1")


@pytest.mark.parametrize("text", [
    "", "wrap:", "nonsense", SecretKeys.generate().split(",")[0], SecretKeys.generate().split(",")[1], "wrap:AAAA,name:BBBB",
    SecretKeys.generate().replace("wrap:", "lock:"), "wrap:" + "é" * 43 + ",name:" + "A" * 43, "wrap:" + "A" * 43 + ",name:" + "A" * 43,
], ids=["nothing", "no key", "no use", "no name", "no wrap", "too short", "another use", "not ASCII", "the same twice"])
def test_wrong_keys_are_a_plain_error_that_shows_no_key(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SecretKeys.parse(text)
    assert "HELPLINE_SECRET_KEYS" in str(caught.value)
    for part in text.split(","):
        key = part.partition(":")[2]
        assert not key or key not in str(caught.value)


def test_keys_are_not_shown_when_printed() -> None:
    assert KEYS.wrapping[0].hex() not in repr(KEYS)
    assert str(KEYS.wrapping[0]) not in repr(KEYS)


def test_an_embedded_set_up_makes_its_keys_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = load({"HELPLINE_VAR": str(tmp_path / "var")})
    first = keys_for(settings)
    assert keys_for(settings).wrapping == first.wrapping
    file = tmp_path / "var" / "secret-keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in file.parent.iterdir()] == ["secret-keys"]


def test_lost_keys_are_never_replaced_by_new_ones_that_read_nothing(tmp_path: Path) -> None:
    (tmp_path / "helpline.sqlite3").write_bytes(b"something")
    with pytest.raises(SettingsError, match="are missing"):
        keys_for(load({"HELPLINE_VAR": str(tmp_path)}))
    assert not (tmp_path / "secret-keys").exists()


def test_keys_given_by_the_operator_are_used_as_they_are(tmp_path: Path) -> None:
    text = SecretKeys.generate()
    found = keys_for(load({"HELPLINE_VAR": str(tmp_path), "HELPLINE_SECRET_KEYS": text}))
    assert found.wrapping == SecretKeys.parse(text).wrapping
    assert list(tmp_path.iterdir()) == []


def test_with_postgresql_the_operator_must_give_keys() -> None:
    with pytest.raises(SettingsError, match="HELPLINE_SECRET_KEYS is needed"):
        keys_for(load({"HELPLINE_DATABASE_URL": "postgresql://db/helpline"}))


def test_a_damaged_keys_file_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "secret-keys").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        keys_for(load({"HELPLINE_VAR": str(tmp_path)}))

"""API keys: creating, checking, damaged files, and the rule that a keyless server is local."""

import hashlib
import json

import pytest

from lorify.errors import ConfigError
from lorify.serving.storage.keys import ApiKeys, check_listen, create_key, revoke_key

DIGEST = hashlib.sha256(b"secret").hexdigest()


@pytest.fixture
def keys_path(tmp_path):
    return tmp_path / "new" / "keys.json"


def test_each_key_belongs_to_its_owner(keys_path):
    created = {name: create_key(keys_path, name) for name in ("ann", "bob")}
    keys = ApiKeys.load(keys_path)
    assert {name: keys.owner_of(key) for name, key in created.items()} == {"ann": "ann", "bob": "bob"}
    for wrong in ("", "lorify-", created["ann"][:-1], created["ann"] + " ", "ann", "schlüssel", "\udcff"):
        assert keys.owner_of(wrong) is None


def test_the_file_holds_no_key_and_is_readable_by_its_owner_only(keys_path):
    key = create_key(keys_path, "ann")
    assert json.loads(keys_path.read_text()) == {"ann": hashlib.sha256(key.encode()).hexdigest()}
    assert keys_path.stat().st_mode & 0o077 == 0
    assert [path.name for path in keys_path.parent.iterdir()] == ["keys.json"]


def test_a_digest_does_not_work_as_a_key(keys_path):
    create_key(keys_path, "ann")
    assert ApiKeys.load(keys_path).owner_of(json.loads(keys_path.read_text())["ann"]) is None


def test_only_an_operator_key_is_one(keys_path):
    created = {name: create_key(keys_path, name, operator=name == "root") for name in ("ann", "root", "bob")}
    keys = ApiKeys.load(keys_path)
    assert {name: keys.owner_of(key) for name, key in created.items()} == {name: name for name in created}
    assert [name for name in created if keys.is_operator(name)] == ["root"]


def test_a_revoked_key_is_refused_and_the_others_stay(keys_path):
    created = {name: create_key(keys_path, name, operator=name == "root") for name in ("ann", "root", "bob")}
    revoke_key(keys_path, "ann")
    keys = ApiKeys.load(keys_path)
    assert [keys.owner_of(key) for key in created.values()] == [None, "root", "bob"]
    assert keys.is_operator("root") and keys.owners == ["root", "bob"]
    with pytest.raises(ConfigError, match="no key named 'ann'"):
        revoke_key(keys_path, "ann")
    renewed = create_key(keys_path, "ann")
    assert ApiKeys.load(keys_path).owner_of(renewed) == "ann"


@pytest.mark.parametrize("name", ["ann", "", " ", "two\nlines"])
def test_a_taken_or_unprintable_name_is_refused(keys_path, name):
    key = create_key(keys_path, "ann")
    with pytest.raises(ConfigError, match="name"):
        create_key(keys_path, name)
    assert ApiKeys.load(keys_path).owner_of(key) == "ann"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "has no key"),
        ("", "is damaged"),
        ("[]", "is damaged"),
        ('{"ann": 1}', "is damaged"),
        ('{"ann": {"sha256": "secret", "operator": false}}', "is damaged"),
        ("\xff{", "is damaged"),
        ('{"ann": "secret"}', "'ann' has no SHA-256"),
        (json.dumps({"ann": DIGEST, "bob": DIGEST}), "the same key"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, content, complaint):
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=complaint) as caught:
        ApiKeys.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is missing"):
        ApiKeys.load(tmp_path / "keys.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        ApiKeys.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be"):
        create_key(tmp_path / "file" / "keys.json", "ann")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_a_server_on_this_machine_needs_no_keys(host):
    check_listen(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.7", "example.org", "127.0.0.1.example.org"])
def test_a_server_that_other_machines_reach_needs_keys(host):
    with pytest.raises(ConfigError, match="other machines can reach"):
        check_listen(host, None)
    with pytest.raises(ConfigError, match="other machines can reach"):
        check_listen(host, ApiKeys({}))
    check_listen(host, ApiKeys({"ann": DIGEST}))

"""DATABASE_URL as libpq reads it: what is taken, what is ignored, and what is named because it can't be followed."""

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from asyncpg import connect_utils

from service.database.address import Address, list_hosts, read_address
from service.database.address_syntax import AddressError, Host
from service.database.asyncpg_internals import resolve
from service.database.connector import Connector
from service.database.libpq_parameters import VARIABLES


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def read(url: str, **variables: str) -> Address:
    return read_address(url, variables)


def known_to_asyncpg(address: Address) -> tuple[list[object], object]:
    """Return what asyncpg makes of an address: where it connects to, and by whom."""
    keywords = dict.fromkeys(
        (
            *("host", "port", "user", "password", "passfile", "database", "ssl", "service", "servicefile"),
            *("direct_tls", "server_settings", "target_session_attrs", "krbsrvname", "gsslib"),
        )
    )
    addresses, parameters = connect_utils._parse_connect_dsn_and_args(dsn=address.dsn, **keywords)  # type: ignore[attr-defined] # not in the stubs
    return addresses, parameters


@pytest.mark.parametrize(
    ("url", "hosts", "user", "password", "database"),
    [
        ("postgresql://", [], None, None, None),
        ("postgres://db", [("db", 5432)], None, None, None),
        ("postgresql://u@db/", [("db", 5432)], "u", None, "u"),
        ("postgresql://u:p@db:6432/n", [("db", 6432)], "u", "p", "n"),
        ("postgresql://u:p@db:6432,other/n", [("db", 6432), ("other", 5432)], "u", "p", "n"),
        ("postgresql://u:@db/n", [("db", 5432)], "u", None, "n"),
        ("postgresql://u:p:q@db/n", [("db", 5432)], "u", "p:q", "n"),
        ("postgresql://u:p?q#r&s=t@db/n", [("db", 5432)], "u", "p?q#r&s=t", "n"),
        ("postgresql://u:p+q@db/n", [("db", 5432)], "u", "p+q", "n"),
        ("postgresql://u%40x:p%2F%40%3A%25@db/a%20b%2Fc", [("db", 5432)], "u@x", "p/@:%", "a b/c"),
        ("postgresql://%C5%81%C3%B3d%C5%BA:%C5%81@db/%C5%81", [("db", 5432)], "Łódź", "Ł", "Ł"),
        ("postgresql://u@[::1]/n", [("::1", 5432)], "u", None, "n"),
        ("postgresql://u@[fe80::1%25eth0]:6432,[::2]/n", [("fe80::1%eth0", 6432), ("::2", 5432)], "u", None, "n"),
        ("postgresql://u@%2Frun%2Fpostgresql/n", [("/run/postgresql", 5432)], "u", None, "n"),
        ("postgresql://u@%2Frun%2Fpostgresql:6432/n", [("/run/postgresql", 6432)], "u", None, "n"),
        ("postgresql:///n?host=/run/a&port=6432&user=u&password=a%26b", [("/run/a", 6432)], "u", "a&b", "n"),
        ("postgresql:///n?host=one,two&port=1,2&user=u", [("one", 1), ("two", 2)], "u", None, "n"),
        ("postgresql:///n?host=::1,[::2]:7&user=u", [("::1", 5432), ("::2", 7)], "u", None, "n"),
        ("postgresql://u@db/?dbname=n", [("db", 5432)], "u", None, "n"),
        ("postgresql://u@one:7,two/n?user=u", [("one", 7), ("two", 5432)], "u", None, "n"),
        ("postgresql:///n?host=one,two&port=,7&user=u", [("one", 5432), ("two", 7)], "u", None, "n"),
        ("postgresql:// u@db /n\n", [("db", 5432)], "u", None, "n"),
        ("postgresql://u@/n?hostaddr=10.0.0.1", [("10.0.0.1", 5432)], "u", None, "n"),
        ("postgresql://u@db?sslmode=", [("db", 5432)], "u", None, "u"),
        ("host=db port=6432 user=u password='a \\' b\\\\' dbname=n", [("db", 6432)], "u", "a ' b\\", "n"),
        ("host=db dbname=n user=\n o'hara", [("db", 5432)], "o'hara", None, "n"),
        ("dbname=n host=db user= password=p", [("db", 5432)], "password=p", None, "n"),
        ("host = db,other  user=u\ndbname=''", [("db", 5432), ("other", 5432)], "u", None, "u"),
    ],
)
def test_read_address_as_libpq_does(
    url: str, hosts: list[tuple[str, int]], user: str | None, password: str | None, database: str | None
) -> None:
    """And asyncpg, which is given another form of it, knows the same."""
    found = read(url)

    assert found.hosts == tuple(Host(*host) for host in hosts)
    if user:
        assert (found.parameters["user"], found.parameters.get("password")) == (user, password)
        assert found.parameters["dbname"] == database
    addresses, parameters = known_to_asyncpg(found)
    if hosts:
        assert addresses == [f"{name}/.s.PGSQL.{port}" if name[0] == "/" else (name, port) for name, port in hosts]
        assert resolve(found.dsn, "disable").hosts == tuple(
            f"{name}/.s.PGSQL.{port}" if name[0] == "/" else name for name, port in hosts
        )
    assert parameters.user == found.parameters["user"]  # type: ignore[attr-defined] # as above
    assert parameters.password == password  # type: ignore[attr-defined] # as above
    assert parameters.database == found.parameters["dbname"]  # type: ignore[attr-defined] # as above


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://canary:canary@db/n", "db.example.com", "postgresql+asyncpg://canary@db/n", "jdbc:postgresql://db/n"),
        *("postgresql://u@db:canary/n", "postgresql://u@db:0/n", "postgresql://u@db:65536/n", "postgresql://u@[::1/n"),
        *("postgresql://u@,db/n", "postgresql://u@one,two/n?port=1,2,3", "postgresql://u:can%ary@db/n"),
        *("postgresql://u:canary%00@db/n", "postgresql://u:canary%FF@db/n", "postgresql://u@db/n?canary"),
        *("postgresql://u@db/n?sslmode=a=canary", "postgresql://u@db/n?canary=x@y"),
        *(
            "postgresql://u@db/n?dbname=canary",
            "postgresql://u@one/n?host=two",
            "postgresql://u@one/n?host=",
            "postgresql://u@one:7/n?port=8",
            "postgresql://u@one:7,two/n?port=7,8",
            "postgresql://u@[]/n",
            "postgresql://u@one/n?=canary",
            "postgresql://u:canary@one/n?password=",
            "postgresql://u:a@db/n?password=canary",
        ),
        *("host=db password='canary", "host=db canary"),
        *("postgresql://u:canary/x@db/n", "postgresql://u:1/canary@db/n?canary=1"),
    ],
)
def test_address_that_can_not_be_understood_says_why_and_no_part_of_a_password(url: str) -> None:
    with pytest.raises(
        AddressError, match=r"DATABASE_URL can't be understood: .* It must be like postgresql://"
    ) as caught:
        read(url)

    assert "canary" not in str(caught.value)


NEEDLESS = [
    *("application_name=x", "fallback_application_name=x", "connect_timeout=10", "keepalives=1", "keepalives_idle=5"),
    *(
        "keepalives_interval=5",
        "keepalives_count=5",
        "tcp_user_timeout=1000",
        "gssencmode=disable",
        "gssencmode=prefer",
    ),
    *("krbsrvname=postgres", "sslcompression=0", "sslsni=1", "channel_binding=prefer", "channel_binding=disable"),
    *("target_session_attrs=read-write", "target_session_attrs=primary", "target_session_attrs=any"),
    *("load_balance_hosts=disable", "load_balance_hosts=random", "client_encoding=UTF8", "client_encoding=auto"),
    *("sslcertmode=allow", "replication=false", "options=-c%20geqo%3Doff", "options=endpoint%3Dep-cool-1234"),
    *(
        "geqo=off",
        "gsslib=gssapi",
        "passfile=/none",
        "sslmode=prefer",
        "ssl_min_protocol_version=TLSv1.3",
        "gssdelegation=0",
    ),
    "sslmode=disable&channel_binding=prefer&keepalives=1&connect_timeout=0",
]


@pytest.mark.parametrize("parameters", NEEDLESS)
def test_parameters_of_libpq_are_taken(parameters: str) -> None:
    connector = Connector(f"postgresql://u@127.0.0.1/n?{parameters}")

    _, known = known_to_asyncpg(connector.address)
    settings = known.server_settings or {}  # type: ignore[attr-defined] # not in the stubs
    assert settings.keys() <= {"options", "geqo"}, "what is no setting of the server's is not sent to it"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("gssencmode=require", "says gssencmode=require, but connections are encrypted by TLS, never by GSSAPI."),
        ("target_session_attrs=standby", "says target_session_attrs=standby, but this service writes: allowed are"),
        ("target_session_attrs=read-only", "this service writes"),
        ("target_session_attrs=prefer-standby", "this service writes"),
        ("target_session_attrs=canary", "this service writes"),
        ("client_encoding=LATIN1", "says client_encoding=LATIN1, but this service speaks UTF8."),
        ("require_auth=scram-sha-256", "says require_auth=scram-sha-256, but that can't be kept"),
        ("requirepeer=postgres", "says requirepeer=postgres, but that can't be kept"),
        ("sslcertmode=require", "says sslcertmode=require, but"),
        ("sslcrldir=/etc", "says sslcrldir=/etc, but that can't be followed: name one file by sslcrl."),
        ("scram_client_key=secret", "says scram_client_key, but only passwords can be used."),
        ("replication=database", "says replication=database, but this service uses SQL."),
        ("channel_binding=sometimes", "says channel_binding=sometimes, but allowed are disable, prefer, require."),
        ("sslnegotiation=soon", "says sslnegotiation=soon, but allowed are postgres, direct."),
        ("connect_timeout=5s", "says connect_timeout='5s', but it must be a whole number of seconds."),
        ("sslmod=require", "has the parameter sslmod, which libpq does not know; did you mean sslmode?"),
        ("SSLMODE=require", "has the parameter SSLMODE, which libpq does not know; did you mean sslmode?"),
        ("ssl=1", "has the parameter ssl, which libpq does not know; did you mean sslmode?"),
        ("requiressl=1", "has the parameter requiressl, which libpq does not know; did you mean sslmode?"),
        ("sslsni=0", "says sslsni=0, but the name of the server is sent where there is one."),
        ("sslkeylogfile=/tmp/x", "says sslkeylogfile=/tmp/x, but keys of connections are written nowhere."),
        ("min_protocol_version=3.2", "says min_protocol_version=3.2, but"),
        ("search_path=x", "sets search_path, but the service sets or relies on it: leave it out."),
        ("Role=x", "sets Role, but"),
        ("options=-c%20search_path%3Dx", "sets search_path, but the service sets or relies on it"),
        ("options=-cstatement_timeout%3D1", "sets statement_timeout, but"),
        ("options=--session-replication-role%3Dreplica", "sets session-replication-role, but"),
        ("options=-c%20geqo%3Doff%20-c%20TimeZone%3DJapan", "sets TimeZone, but"),
        ("hostaddr=10.0.0.1", "says both host and hostaddr, which can't be followed"),
        ("service=none", "names the service none, which no service file has: give it a section in ~/.pg_service.conf"),
    ],
)
def test_parameters_that_can_not_be_followed_are_named(parameters: str, sentence: str) -> None:
    with pytest.raises(AddressError) as caught:
        Connector(f"postgresql://u:canary@127.0.0.1/n?{parameters}")

    assert sentence in str(caught.value)
    assert not re.search("canary@|secret", str(caught.value))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "host=db database=n",
            "DATABASE_URL has the parameter database, which libpq does not know; did you mean dbname?",
        ),
        ("HOST=db user=u", "DATABASE_URL has the parameter HOST, which libpq does not know; did you mean host?"),
        ("host=db poort=''", "DATABASE_URL has the parameter poort, which libpq does not know; did you mean port?"),
        ("host=db sparkle=", "DATABASE_URL has the parameter sparkle, which libpq does not know."),
        ("hostaddr=db.example.com", "DATABASE_URL says hostaddr=db.example.com, but it must be an IP address."),
        ("hostaddr=/run/a", "DATABASE_URL says hostaddr=/run/a, but it must be an IP address."),
        ("host=@abstract", "DATABASE_URL names an abstract socket, but only those in a directory can be used."),
    ],
)
def test_address_that_libpq_would_refuse_is_refused_in_words(url: str, sentence: str) -> None:
    with pytest.raises(AddressError) as caught:
        read(url)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("postgresql:///n?port=6432", {}),
        ("dbname=n port=6432", {}),
        ("postgresql://:6432/n", {}),
        ("postgresql:///n", {"PGPORT": "6432"}),
        ("postgresql:///n?host=&port=6432", {"PGHOST": "db"}),
        ("host='' dbname=n", {"PGHOST": "db", "PGPORT": "6432"}),
    ],
)
def test_a_port_alone_is_that_of_a_socket_of_this_machine(url: str, variables: dict[str, str]) -> None:
    addresses, _ = known_to_asyncpg(read(url, **variables))

    assert "/run/postgresql/.s.PGSQL.6432" in addresses
    assert all(str(each).endswith("6432") or each == ("localhost", 6432) for each in addresses)


def test_variables_do_not_fill_up_what_a_part_of_the_address_says() -> None:
    assert read("postgresql://u@one:7,two/n", PGPORT="8").hosts == (Host("one", 7), Host("two", 5432))
    assert read("postgresql://u@one,two/n", PGPORT="8").hosts == (Host("one", 8), Host("two", 8))
    assert read("user=u user='' dbname=n", PGUSER="other").parameters["user"] not in {"u", "other"}


def test_application_name_and_connect_timeout_are_followed() -> None:
    found = read("postgresql://u@db/n?application_name=mine&connect_timeout=7")

    assert (found.parameters["application_name"], found.connect_timeout) == ("mine", 7)
    assert [read(f"host=db connect_timeout={n}").connect_timeout for n in (0, -1, 1)] == [None, None, 2]


@pytest.mark.parametrize("name", sorted(VARIABLES.keys() - {"service", "servicefile", "hostaddr"}))
def test_variables_count_where_the_address_does_not_say_it(name: str) -> None:
    value = {"host": "db", "port": "7", "connect_timeout": "7", "target_session_attrs": "primary"}.get(name, "prefer")
    value = {"sslcertmode": "allow", "sslnegotiation": "direct", "sslsni": "1"}.get(name, value)
    value = "3.0" if name == "min_protocol_version" else value
    if name in {"requirepeer", "require_auth", "sslcrldir"}:
        with pytest.raises(AddressError, match=f"^{VARIABLES[name]} says {name}=x, but"):
            read("postgresql://", **{VARIABLES[name]: "x"})
        return
    said = f"{name}={quote(value)}"

    assert read("postgresql://", **{VARIABLES[name]: value}).parameters[name] == value
    assert read(f"postgresql://?{said}", **{VARIABLES[name]: "other"}).parameters[name] == value


def test_other_variables_do_not_count() -> None:
    ignored = dict.fromkeys(("PGOPTIONS", "PGTZ", "PGDATESTYLE", "PGCLIENTENCODING", "PGGSSLIB", "PGREQUIRESSL"), "x")

    assert read("postgresql://u@db/n", **ignored) == read("postgresql://u@db/n")


def test_service_file_counts_between_address_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    file.write_text("# comment\n[far]\nhost=one,two\nport=1\nuser = service\nsslmode=verify-full\ndbname=%x\n")
    variables = {"PGSERVICEFILE": str(file), "PGUSER": "variable", "PGAPPNAME": "variable"}

    for found in (
        read("postgresql:///?service=far", **variables),
        read("postgresql://", PGSERVICE="far", **variables),
        read(f"service=far servicefile={file}", **{**variables, "PGSERVICEFILE": "/none"}),
    ):
        assert found.hosts == (Host("one", 1), Host("two", 1))
        assert found.parameters["user"] == "service"
        assert found.parameters["dbname"] == "%x"
        assert found.parameters["application_name"] == "variable"
    assert read("postgresql://mine@/n?service=far", **variables).parameters["user"] == "mine"
    (tmp_path / ".pg_service.conf").write_text("[near]\nhost=/run/near\n")
    assert read("postgresql://", PGSERVICE="near").hosts == (Host("/run/near", 5432),)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("[far]\nhost=one\n  user=u\n", {"host": "one", "user": "u"}),
        ("[far]\nhost=one\nhost=two\n", {"host": "one"}),
        ("[far]\nhost=one\n[near]\nuser=n\n[far]\nuser=two\n", {"host": "one"}),
        ("host=none\n[DEFAULT]\nuser=d\n  [far] \r\nhost=one\r\n", {"host": "one"}),
        ("[far]\npassword=%(x)s'#;\n", {"password": "%(x)s'#;"}),
        ("[farther]\nhost=one\n[far]\nhost=two\n", {"host": "two"}),
    ],
)
def test_service_file_is_read_as_libpq_does(tmp_path: Path, text: str, parameters: dict[str, str]) -> None:
    (tmp_path / "services").write_text(text, newline="")
    found = read("service=far", PGSERVICEFILE=str(tmp_path / "services")).parameters

    assert {name: found[name] for name in ("host", "user", "password") if name in found} == {
        "user": found["user"],
        **parameters,
    }
    assert ("user" in parameters) is (found["user"] in {"u", "two", "n", "d"})


@pytest.mark.parametrize("line", ["host", "HOST=one", "foo=bar", "service=near", "ldap://db", "; note", "host: one"])
def test_service_file_with_a_line_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "services").write_text(f"# far\n[far]\nuser=u\n{line}\n")

    with pytest.raises(AddressError, match=r"must have lines like \[name\] and host=one, .*: line 4 has none"):
        read("service=far", PGSERVICEFILE=str(tmp_path / "services"))


@pytest.mark.parametrize("size", [2**20, 2**20 + 1])
def test_service_file_without_end_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "services").write_bytes(b"[far]\nhost=a\n".ljust(size, b"\n"))
    if size > 2**20:
        with pytest.raises(AddressError, match="has more than 1,048,576 bytes"):
            read("service=far", PGSERVICEFILE=str(tmp_path / "services"))
        with pytest.raises(AddressError, match="/dev/zero can't be read: it is no regular file"):
            read("service=far", PGSERVICEFILE="/dev/zero")
    else:
        assert read("service=far", PGSERVICEFILE=str(tmp_path / "services")).parameters["host"] == "a"


def test_pipes_are_waited_for_neither_as_service_files_nor_as_password_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    with pytest.raises(AddressError, match="pipe can't be read: it is no regular file"):
        read("service=far", PGSERVICEFILE=str(tmp_path / "pipe"))
    assert read(f"postgresql://u@db/n?passfile={tmp_path / 'pipe'}").find_password() is None


def test_password_file_without_end_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_bytes(b"*:*:*:*:secret\n".ljust(2**20, b"\n"))
    file.chmod(0o600)
    url = f"postgresql://u@db/n?passfile={file}"

    assert read(url).find_password() == "secret"
    with file.open("ab") as longer:
        longer.write(b"\n")
    assert read(url).find_password() is None


def test_service_file_without_the_service_is_refused(tmp_path: Path) -> None:
    (tmp_path / "services").write_text("host=one\n[near]\nfoo\n")

    with pytest.raises(AddressError, match="names the service far, which no service file has"):
        read("service=far", PGSERVICEFILE=str(tmp_path / "services"))


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("db:5432:n:u:plain", "plain"),
        ("*:*:*:*:any\ndb:5432:n:u:later", "any"),
        ("#*:*:*:*:comment\n\ndb:5432:n:u:p#w ", "p#w "),
        (r"db:5432:n:u:a\:b\\c\d", r"a:b\cd"),
        (r"d\b:5432:n:u:escaped", "escaped"),
        (r"\*:5432:n:u:no", None),
        ("db:5432:n:u:before:behind\r", "before"),
        ("db:5432:n:u:\\", "\\"),
        ("db:5432:n:u\n*:*:*:*:behind a short line", "behind a short line"),
        ("db:5432:n:u:\n*:*:*:*:behind an empty one", None),
        ("db:5433:n:u:port\ndb:5432:m:u:database\ndb:5432:n:v:user\nDB:5432:n:u:host", None),
        (" db:5432:n:u:blank", None),
        ("", None),
    ],
)
def test_password_file_is_read_as_libpq_does(
    tmp_path: Path, line: str, password: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"{line}\n", newline="")
    file.chmod(0o600)
    url = f"postgresql://u@db/n?passfile={file}"

    assert read(url).find_password() == password
    assert read("postgresql://u@db/n", PGPASSFILE=str(file)).find_password() == password
    assert read(f"{url}&password=said").find_password() == "said"
    file.chmod(0o640)
    assert [read(url).find_password() for _ in range(3)] == [None] * 3
    assert caplog.messages == [
        f"'{file}' is not used for a password: it must be a file of its owner alone (0600), of 1,048,576 bytes at most."
    ]


def test_password_file_names_hosts_of_several_addresses_and_sockets(tmp_path: Path) -> None:
    (tmp_path / ".pgpass").write_text(r"""
one:1:n:u:first
two:2:n:u:second
\:\:1:5432:n:u:six
/run/a:5432:n:u:path
localhost:7:n:u:local
""")
    (tmp_path / ".pgpass").chmod(0o600)
    several = read("postgresql://u@one:1,two:2/n")

    assert [several.find_password(host) for host in several.hosts] == ["first", "second"]
    assert read("postgresql://u@[::1]/n").find_password() == "six"
    assert read("postgresql:///n?host=/run/a&user=u").find_password() == "path"
    assert read("postgresql:///n?host=/run/a:7&user=u&port=7").find_password() == "local"
    assert read("postgresql://u@/n?port=7").find_password() == "local"


def test_dsn_leaves_nothing_to_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Such as a host, which asyncpg would reach in plain text, as a socket of this machine is."""
    (tmp_path / ".pgpass").write_text("*:*:*:*:other\n")
    (tmp_path / ".pgpass").chmod(0o600)
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSFILE"):
        monkeypatch.setenv(name, "7" if name == "PGPORT" else "other")

    addresses, known = known_to_asyncpg(read("user=u dbname=n host=''", PGHOST="other"))
    assert ("localhost", 5432) in addresses
    assert all(str(each).endswith((".s.PGSQL.5432", "5432)")) for each in addresses)
    assert (known.user, known.password, known.database) == ("u", None, "n")  # type: ignore[attr-defined] # not in the stubs


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:canary@db/n", " db:5432/n"),
        ("postgresql://u:canary@one:1,[::1]/n", " one:1,[::1]:5432/n"),
        ("postgresql:///n?host=/run/a&user=u&password=canary", " n at /run/a/.s.PGSQL.5432"),
        ("host=db user=u dbname=n password=canary", " db:5432/n"),
        ("postgresql://u@db/n?password=ca@nary", ""),
        ("postgresql://u@db/%1B%0A%C5%81", " db:5432/\\x1b\\nŁ"),
    ],
)
def test_place_names_hosts_ports_and_database(url: str, place: str) -> None:
    assert read(url).place == place
    assert "canary" not in repr(read(url))


def test_list_hosts_of_keywords() -> None:
    assert list_hosts("host=one,two port=1") == [Host("one", 1), Host("two", 1)]

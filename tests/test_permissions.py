"""The permissions module, compared with a second, deliberately naive implementation over random worlds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import permissions
from service.errors import NotFound, PermissionDenied, ServiceError
from service.permissions import (
    DELETE,
    EXECUTE,
    FULL_ACCESS,
    MANAGER,
    READ,
    WRITE,
    GrantedAccess,
    Holder,
    Role,
    check_update,
    effective,
    may_see_job,
    union,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIVE = ["read", "execute", "delete", "manage_pipelines", "write"]


# ---- the naive implementation: sets of words, loops, and every sentence of the rules spelt out


@dataclass
class NaiveGrant:
    to: str
    words: set[str]
    manager: bool
    expires_at: datetime | None


@dataclass
class NaiveWorld:
    role: str
    groups: set[str]
    grants: list[NaiveGrant]
    scopes: set[str] | None


def naive_permissions(world: NaiveWorld) -> tuple[list[str], bool]:
    words: set[str] = set()
    manager = False
    for grant in world.grants:
        concerns_me = grant.to == "me" or grant.to in world.groups
        expired = grant.expires_at is not None and grant.expires_at <= NOW
        if concerns_me and not expired:
            words.add("read")
            for word in grant.words:
                words.add(word)
            if grant.manager:
                manager = True
    if world.role in ("admin", "pipeline_admin"):
        manager = True
    if manager:
        words = {"read", "execute", "delete", "manage_pipelines", "write"}
    if world.scopes is not None:
        words = {word for word in words if word in world.scopes}
        if words != {"read", "execute", "delete", "manage_pipelines", "write"}:
            manager = False
    return [f"flow_pipeline:{word}" for word in FIVE if word in words], manager


# ---- the same worlds, as the module takes them


def bits(words: set[str]) -> int:
    return sum(
        permissions.SCOPE_BITS.get(word) or permissions.PERMISSION_BITS[f"flow_pipeline:{word}"] for word in words
    )


def access_in(world: NaiveWorld) -> int:
    mine = [grant for grant in world.grants if grant.to == "me" or grant.to in world.groups]
    grants = [GrantedAccess(bits(grant.words) | (MANAGER if grant.manager else 0), grant.expires_at) for grant in mine]
    scopes = None if world.scopes is None else bits(world.scopes)
    return effective(Role(world.role), scopes, union(grants, NOW))


instants = st.none() | st.integers(-2, 2).map(lambda seconds: NOW + timedelta(seconds=seconds))
words = st.sets(st.sampled_from(FIVE))
group_names = ["g1", "g2", "g3"]
worlds = st.builds(
    NaiveWorld,
    role=st.sampled_from([role.value for role in Role]),
    groups=st.sets(st.sampled_from(group_names)),
    grants=st.lists(
        st.builds(
            NaiveGrant,
            to=st.sampled_from(["me", "someone", *group_names]),
            words=words,
            manager=st.booleans(),
            expires_at=instants,
        ),
        max_size=6,
    ),
    scopes=st.none() | st.sets(st.sampled_from([*FIVE, "admin", "tokens"]), min_size=1),
)


@given(worlds)
def test_effective_equals_the_naive_implementation(world: NaiveWorld) -> None:
    access = access_in(world)

    assert (permissions.permission_names(access), permissions.is_manager(access)) == naive_permissions(world)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scopes", [None, *range(0, 256, 5)])
def test_accesses_are_those_of_each_grant(role: Role, scopes: int | None) -> None:
    holder = Holder(role, scopes)

    assert [*holder.accesses()] == [holder.access(granted) for granted in range(FULL_ACCESS + 1)]


@given(worlds, st.sampled_from([*FIVE, "admin", "tokens"]))
def test_effective_is_never_widened_by_scopes(world: NaiveWorld, scope: str) -> None:
    unscoped = NaiveWorld(world.role, world.groups, world.grants, None)
    narrower = NaiveWorld(world.role, world.groups, world.grants, (world.scopes or {scope}) - {scope} or {scope})

    assert access_in(world) & ~access_in(unscoped) == 0
    assert access_in(narrower) & ~access_in(unscoped) == 0


@given(worlds)
def test_effective_gives_a_manager_all_five(world: NaiveWorld) -> None:
    access = access_in(world)

    assert not permissions.is_manager(access) or access == FULL_ACCESS


# ---- check_update, against sentence after sentence of the contract


@dataclass
class UpdateWorld:
    role: Role
    scopes: int | None
    owns: bool
    current: dict[UUID, int]
    wanted: dict[UUID, int | None]


IDS = [UUID(int=number) for number in range(1, 5)]
granted = st.sampled_from([0, READ, READ | WRITE, READ | EXECUTE, READ | EXECUTE | DELETE, READ | MANAGER])


@st.composite
def update_worlds(draw: st.DrawFn) -> UpdateWorld:
    everywhere = {pipeline_id: draw(granted) for pipeline_id in IDS}
    missing = draw(st.sets(st.sampled_from(IDS), max_size=1))
    current = draw(st.sets(st.sampled_from(IDS))) - missing
    wanted = draw(st.sets(st.sampled_from(IDS)))
    return UpdateWorld(
        draw(st.sampled_from(Role)),
        draw(st.none() | st.integers(1, 255)),
        draw(st.booleans()),
        {pipeline_id: everywhere[pipeline_id] for pipeline_id in IDS if pipeline_id in current},
        {
            pipeline_id: None if pipeline_id in missing else everywhere[pipeline_id]
            for pipeline_id in IDS
            if pipeline_id in wanted
        },
    )


def naive_verdict(world: UpdateWorld) -> str:
    def may(word: str, access: int | None) -> bool:
        if access is None:
            return False
        words = {name for name in FIVE if access & bits({name})}
        if access & MANAGER or world.role != Role.MEMBER:
            words = set(FIVE)
        return word in words and (world.scopes is None or bool(world.scopes & bits({word})))

    scope_allows_execute = world.scopes is None or world.scopes & EXECUTE
    hidden = forbidden = False
    for pipeline_id, access in world.wanted.items():
        hidden = hidden or not may("read", access)
        if pipeline_id not in world.current:
            forbidden = forbidden or not may("execute", access)
    for pipeline_id, access in world.current.items():
        if pipeline_id not in world.wanted:
            if world.owns and scope_allows_execute:
                continue
            if world.owns:
                hidden = hidden or not may("read", access)
                forbidden = True
            else:
                hidden = hidden or not may("read", access)
                forbidden = forbidden or not may("execute", access)
    return "NOT_FOUND" if hidden else "PERMISSION_DENIED" if forbidden else "OK"


def verdict(world: UpdateWorld) -> str:
    try:
        check_update(Holder(world.role, world.scopes), owns=world.owns, current=world.current, wanted=world.wanted)
    except ServiceError as error:
        return error.code
    return "OK"


@given(update_worlds())
def test_check_update_equals_the_naive_implementation(world: UpdateWorld) -> None:
    assert verdict(world) == naive_verdict(world)


MEMBER = Holder(Role.MEMBER, None)
A, B = uuid4(), uuid4()


def test_check_update_retaining_needs_read() -> None:
    check_update(MEMBER, owns=False, current={A: READ}, wanted={A: READ})

    with pytest.raises(NotFound, match=f"Pipeline {A} does not exist, or you may not see it."):
        check_update(MEMBER, owns=True, current={A: 0}, wanted={A: 0})


def test_check_update_owner_with_a_narrow_token_is_not_told_what_else_the_job_is_in() -> None:
    with pytest.raises(NotFound) as caught:
        check_update(Holder(Role.MEMBER, READ), owns=True, current={A: 0}, wanted={})

    assert str(A) not in caught.value.message


def test_check_update_adding_a_missing_pipeline_is_not_found() -> None:
    with pytest.raises(NotFound, match=f"Pipeline {A} does not exist, or you may not see it."):
        check_update(Holder(Role.ADMIN, None), owns=True, current={}, wanted={A: None})


def test_check_update_adding_a_hidden_pipeline_fails_like_a_missing_pipeline() -> None:
    with pytest.raises(NotFound, match=f"Pipeline {A} does not exist, or you may not see it."):
        check_update(MEMBER, owns=True, current={}, wanted={A: 0})


def test_check_update_hidden_comes_before_forbidden() -> None:
    with pytest.raises(NotFound):
        check_update(MEMBER, owns=True, current={}, wanted={A: READ, B: 0})


def test_check_update_names_the_missing_permission() -> None:
    with pytest.raises(PermissionDenied, match=f"put jobs into pipeline {A}: that takes flow_pipeline:execute"):
        check_update(MEMBER, owns=True, current={}, wanted={A: READ})


def test_check_update_missing_scope_is_challenged() -> None:
    with pytest.raises(PermissionDenied) as caught:
        check_update(Holder(Role.MEMBER, READ), owns=False, current={}, wanted={A: READ | EXECUTE})

    assert (caught.value.reason, caught.value.lacking_scopes) == ("insufficient_scope", ["flow_pipeline:execute"])


def test_check_update_owner_with_a_read_only_token_removes_nothing() -> None:
    with pytest.raises(PermissionDenied, match=f"take jobs out of pipeline {A}"):
        check_update(Holder(Role.MEMBER, READ), owns=True, current={A: READ | EXECUTE}, wanted={})


@pytest.mark.parametrize(
    ("holder", "owns", "accesses", "visible"),
    [
        (MEMBER, False, [], False),
        (MEMBER, False, [EXECUTE], False),
        (MEMBER, False, [0, READ], True),
        (MEMBER, True, [], True),
        (Holder(Role.PIPELINE_ADMIN, None), False, [], False),
        (Holder(Role.ADMIN, None), False, [], True),
        (Holder(Role.ADMIN, EXECUTE), False, [], False),
    ],
)
def test_may_see_job(holder: Holder, owns: bool, accesses: list[int], visible: bool) -> None:
    assert may_see_job(holder, owns=owns, accesses=accesses) is visible


# ---- pre-authorized updates


@given(
    role=st.sampled_from(Role),
    scopes=st.none() | st.integers(1, 255),
    granted=st.dictionaries(st.integers(0, 5), st.integers(0, FULL_ACCESS), max_size=6),
    current=st.sets(st.integers(0, 5)),
    wanted=st.sets(st.integers(0, 5)),
    owns=st.booleans(),
)
def test_preauthorize_update_allows_only_what_check_update_allows(
    role: Role, scopes: int | None, granted: dict[int, int], current: set[int], wanted: set[int], *, owns: bool
) -> None:
    holder = Holder(role, scopes)
    accesses = {UUID(int=key): access for key, access in granted.items()}
    now, then = ({UUID(int=key): accesses.get(UUID(int=key), 0) for key in keys} for keys in (current, wanted))
    executable = permissions.executable_pipelines(holder, accesses)

    preauthorization = permissions.preauthorize_update(holder, executable, then)

    if preauthorization is None:
        return
    if owns or preauthorization.pipelines is None or (now and preauthorization.pipelines.issuperset(now)):
        assert may_see_job(holder, owns=owns, accesses=map(holder.access, now.values()))
        check_update(holder, owns=owns, current=now, wanted={**then})


@pytest.mark.parametrize("role", Role)
def test_preauthorize_update_covers_the_usual_update_of_an_owner(role: Role) -> None:
    """The other direction, where it matters: the usual update needs no read of its job."""
    pipeline, other = uuid4(), uuid4()
    executable = permissions.executable_pipelines(Holder(role, None), {pipeline: READ | EXECUTE, other: READ})

    assert executable == ({pipeline} if role is Role.MEMBER else {pipeline, other})
    assert permissions.preauthorize_update(Holder(role, None), executable, [pipeline]) is not None
    assert permissions.preauthorize_update(Holder(role, READ), executable, [pipeline]) is None
    assert (permissions.preauthorize_update(Holder(role, None), executable, [uuid4()]) is None) == (role is Role.MEMBER)

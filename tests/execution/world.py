"""A schema with every kind of field, in which any field may fail.

The result of a field is random, but always the same for the same object, field and arguments: a value, null, an error
that is raised or returned, or a value of the wrong type; immediate or awaited. Thus two executors get the same results.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from aiodataloader import DataLoader
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from graph.execution import ATTRIBUTE, BATCH, INSTANCE_OF, READS, Field, ResolveMany
from graph.schema.fields.loaders import Answers

SDL = """
enum Role { ADMIN, READER }
input Filter { role: Role, ids: [ID!], first: Int = 2, inner: Filter }
interface Node { id: ID!, name: String, peer: Node, size: Int }
type User implements Node {
  id: ID!, name: String, age: Int!, score: Float, active: Boolean, role: Role!, size: Int
  peer: Node, roles: [Role!], nicknames: [String]
  friends(first: Int, role: Role = READER): [User!], best: User!, boss(id: ID): User
  posts(filter: Filter): [Post], cells: [[Cell!]!], grid: [[Int]!]!, feed(first: Int! = 3): [Entry]!
}
type Post implements Node {
  id: ID!, name: String, title: String!, size: Int, peer: Node
  author: User!, reviewer: User, comments(first: Int = 2): [Comment!]!, tags: [String!], best: Comment!
}
type Comment { id: ID!, text: String!, likes: Int, post: Post, author: User!, replies: [Comment]!, rank: Float! }
type Cell { id: ID!, value: Int!, row: [Int!], owner: User, next: Cell! }
union Entry = User | Post | Comment
type Query {
  user(id: ID!): User, users(first: Int, role: Role, ids: [ID!]): [User!], node(id: ID!): Node, required: User!
  entries(filter: Filter): [Entry], entry: Entry!, cells: [[Cell]], posts(filters: [Filter!]): [Post]!
  echo(int: Int, float: Float, string: String, id: ID, boolean: Boolean, role: Role, list: [[Int]]): String
}
type Mutation { touch(id: ID!): User, rename(name: String): Post!, clear: Int, add(filter: Filter!): [Comment!] }
"""
ATTRIBUTES = ("id", "name", "age", "active", "role", "title", "text", "likes", "value", "row", "owner")
BATCHES = ("User.friends", "User.best", "User.posts", "Post.author", "Post.comments", "Comment.post", "Comment.author")
LEAVES: dict[str, list[Any]] = {
    "Int": [0, 7, -1, 2**31, "seven"],
    "Float": [0.5, 3, -1e9, float("nan"), "half"],
    "String": ["", "a", "é", 5, []],
    "ID": ["i", 12, "", 1.5, {}],
    "Boolean": [True, False, 1, 0, "true"],
    "Role": ["ADMIN", "READER", "ADMIN", "OWNER", 3],
}


@dataclass(frozen=True, slots=True)
class World:
    """A random world. `trouble` and `waiting` are the percentages of fields that fail and that are awaited."""

    seed: int
    trouble: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that has every attribute, with a value determined by its world."""

    world: World
    kind: str
    id_: int
    depth: int

    def __getattr__(self, name: str) -> Any:
        if name not in ATTRIBUTES:
            raise AttributeError(name)
        return outcome(self, name, {}, waits=True)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id_} at depth {self.depth}>"


class PostThing(Thing):
    """A post. All other objects have another class."""

    __slots__ = ()


@dataclass
class Lot:
    """Random values for one field of one object."""

    thing: Thing
    random: Random
    waits: bool

    def hits(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def value(self, type_: Any, *, inside: bool = False) -> Any:
        """Returns or raises a random result for the type, valid or not, possibly as an awaitable."""
        value = self._value(type_.of_type if is_non_null_type(type_) else type_)
        if self.waits and self.hits(self.thing.world.waiting // (4 if inside else 1)):
            return self._awaitable(value)
        if isinstance(value, Exception) and not inside and self.hits(50):
            raise value
        return value

    def _value(self, type_: Any) -> Any:
        # Root fields fail rarely, because nothing below them could fail otherwise.
        if self.hits(self.thing.world.trouble) and (self.thing.depth or self.hits(20)):
            return self.random.choice(
                [None, None, RuntimeError("failed"), ValueError(f"odd {self.thing}"), *odd(type_)]
            )
        if is_list_type(type_):
            most = (4, 4, 3, 2)[self.thing.depth] if self.thing.depth < 4 else 1
            items = [
                self.value(type_.of_type, inside=True) for _ in range(self.random.randrange(self.thing.depth < 2, most))
            ]
            return self._listed(items)
        if is_leaf_type(type_):
            return self.random.choice(LEAVES[type_.name][:3])
        return self._thing(type_)

    def _listed(self, items: list[Any]) -> Any:
        """Returns the items as a list or another iterable, which may fail part way."""
        if not self.waits or self.hits(70):
            return items
        breaks_off = self.hits(self.thing.world.trouble)
        if self.hits(self.thing.world.waiting):
            return streamed(items, breaks_off=breaks_off)
        return gone_through(items, breaks_off=breaks_off) if breaks_off or self.hits(50) else tuple(items)

    def _thing(self, type_: GraphQLNamedType) -> Thing:
        kinds = {"Node": ("User", "Post"), "Entry": ("User", "Post", "Comment")}.get(type_.name, (type_.name,))
        kind = self.random.choice(kinds)
        made = PostThing if kind == "Post" else Thing
        return made(self.thing.world, kind, self.random.randrange(10), self.thing.depth + 1)

    def _awaitable(self, value: Any) -> Awaitable[Any]:
        turns = self.random.randrange(5)
        if turns == 4:
            return Own(value)
        return after(value, turns) if turns < 3 else settled(value)


async def after(value: Any, turns: int) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, RuntimeError):
        raise value
    return value


def settled(value: Any) -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


class Own:
    """An awaitable that is neither a coroutine nor a future."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return after(self._value, 1).__await__()


def gone_through(items: list[Any], *, breaks_off: bool) -> Iterator[Any]:
    yield from items
    if breaks_off:
        raise RuntimeError("broke off")


async def streamed(items: list[Any], *, breaks_off: bool) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if breaks_off:
        raise RuntimeError("broke off")


def odd(type_: Any) -> list[Any]:
    """Returns values that are invalid for the type. An object type only rejects values if it declares its classes."""
    if is_leaf_type(type_):
        return LEAVES[type_.name][3:]
    return [5] if is_list_type(type_) else [] if type_.name == "Cell" else [5, "five"]


def outcome(thing: Thing, name: str, arguments: dict[str, Any], *, waits: bool) -> Any:
    world = thing.world
    random = Random(f"{world.seed} {thing.kind} {thing.id_} {thing.depth} {name} {sorted(arguments.items())}")
    type_ = schema.type_map[thing.kind]
    assert isinstance(type_, GraphQLObjectType)
    return Lot(thing, random, waits).value(type_.fields[name].type)


class Loading:
    """Context with a dataloader whose results come from the world. The grouping of keys into
    batches is not compared.
    """

    def __init__(self) -> None:
        self.notes: Any = None
        self.loader: DataLoader[Any, Any] = DataLoader(self._load, get_cache_key=repr)

    async def _load(self, keys: Sequence[tuple[Thing, str, dict[str, Any]]]) -> list[Any]:
        await asyncio.sleep(0)
        answers: list[Any] = []
        for thing, name, arguments in keys:
            try:
                answers.append(outcome(thing, name, arguments, waits=False))
            except (RuntimeError, ValueError) as error:
                answers.append(error)
        return answers


def resolve_one(thing: Thing, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    return outcome(thing, info.field_name, arguments, waits=True)


def load_one(thing: Thing, info: GraphQLResolveInfo[Loading], **arguments: Any) -> Any:
    # graphql-core cancels concurrent fields after an error, but others may wait for the same key.
    return asyncio.shield(info.context.loader.load((thing, info.field_name, arguments)))


class LoadedBatch:
    """Loads the field for all objects."""

    def prepare(self, field: Field) -> ResolveMany:
        name = field.name

        def load_all(
            things: Sequence[Any], info: GraphQLResolveInfo[Loading], arguments: dict[str, Any]
        ) -> Awaitable[Sequence[Any]]:
            return Answers([info.context.loader.load((thing, name, arguments)) for thing in things])

        return load_all


def type_of(thing: Any, *_: object) -> Any:
    """Returns the type name of a node, possibly wrong or awaited."""
    if not isinstance(thing, Thing):
        return None
    lot = Lot(thing, Random(f"{thing.world.seed} {thing} type"), waits=True)
    name = lot.random.choice(["Comment", "Nothing", None]) if lot.hits(thing.world.trouble // 2) else thing.kind
    return after(name, lot.random.randrange(2)) if lot.hits(thing.world.waiting // 2) else name


def is_user(thing: Any, _info: object) -> Any:
    if not isinstance(thing, Thing):
        return False
    lot = Lot(thing, Random(f"{thing.world.seed} {thing} user"), waits=True)
    fits = thing.kind == "User" and not lot.hits(thing.world.trouble // 4)
    return after(fits, lot.random.randrange(2)) if lot.hits(thing.world.waiting // 2) else fits


def is_post(thing: Any, _info: object) -> bool:
    return isinstance(thing, PostThing)


def is_comment(thing: Any, _info: object) -> bool:
    return isinstance(thing, Thing) and thing.kind == "Comment"


def made_schema() -> GraphQLSchema:
    made = build_schema(SDL)
    for type_ in made.type_map.values():
        if not isinstance(type_, GraphQLObjectType) or type_.name.startswith("__"):
            continue
        for name, field in type_.fields.items():
            if name in ATTRIBUTES and type_.name not in ("Query", "Mutation"):
                field.extensions[ATTRIBUTE] = name
            elif f"{type_.name}.{name}" in BATCHES:
                field.resolve = load_one
                field.extensions[BATCH] = LoadedBatch()
                field.extensions[READS] = frozenset({"id"})
            else:
                field.resolve = resolve_one
    for name, is_type_of in (("User", is_user), ("Post", is_post), ("Comment", is_comment)):
        type_ = made.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        type_.is_type_of = is_type_of
    made.type_map["Post"].extensions[INSTANCE_OF] = (PostThing,)
    node = made.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    node.resolve_type = type_of
    assert isinstance(made.type_map["Role"], GraphQLEnumType)
    return made


schema = made_schema()


def root_of(operation: str, world: World) -> Thing:
    """Returns the root object for an operation type, `query` or `mutation`."""
    return Thing(world, operation.capitalize(), 0, 0)

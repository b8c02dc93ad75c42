"""An endpoint, described once, as a method of both clients: one returns its answer, one is awaited for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from polyscene.client.answers import Fields
from polyscene.client.requests import Call, Parts, Repeat, content_of, target_of

P = ParamSpec("P")
T = TypeVar("T")
Page = TypeVar("Page")
Part = TypeVar("Part")


class Sender(ABC):
    """Sends requests, and returns when there is an answer."""

    @abstractmethod
    def send(self, call: Call[T]) -> T:
        """Return the answer to a request."""

    @abstractmethod
    def stream(self, call: Call[Any]) -> Iterator[Fields]:
        """Return the lines of the answer to a request as they come."""


class AsyncSender(ABC):
    """Sends requests, and is awaited for the answer."""

    @abstractmethod
    async def send(self, call: Call[T]) -> T:
        """Return the answer to a request."""

    @abstractmethod
    def stream(self, call: Call[Any]) -> AsyncIterator[Fields]:
        """Return the lines of the answer to a request as they come."""


class _Described(Generic[P, T]):
    """What an endpoint is: how a call becomes a request, and of what kind its answer is.

    Args:
        describe: returns what a request says, from the arguments of a call.
        line: method and path, as the OpenAPI description has them.
        kind: of the answer.
        repeat: when it may be sent again.
        answers: statuses beside 2xx that are answers and no errors.
        slow: whether the work takes minutes where there is much of it.
    """

    def __init__(
        self,
        describe: Callable[Concatenate[Any, P], Parts],
        line: str,
        kind: type[T],
        repeat: Repeat = Repeat.always,
        answers: Sequence[int] = (),
        slow: bool = False,
    ) -> None:
        self.describe, self.line, self.kind, self.repeat = describe, line, kind, repeat
        self.method, self.path = line.split(" ")
        self.answers, self.slow = frozenset(answers), slow
        self.name, self.__doc__ = describe.__name__, describe.__doc__
        self.__wrapped__ = describe

    def call(self, client: object, /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """Return the request of a call."""
        parts = self.describe(client, *args, **kwargs)
        content, headers = content_of(parts)
        target = target_of(self.path, parts)
        headers |= parts.headers
        return Call(self.method, target, content, headers, self.kind, self.repeat, self.answers, self.slow)


class Endpoint(_Described[P, T]):
    """An endpoint with one answer."""

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Sender | AsyncSender | None, owner: type) -> Any:
        """Return it as a method of a client."""

        def method(client: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - either client
            return client.send(self.call(client, *args, **kwargs))

        return self if client is None else _bound(self.describe, method, client)


class LinesEndpoint(_Described[P, T]):
    """An endpoint whose answer is read line by line, as it comes."""

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, Iterator[Fields]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncIterator[Fields]]: ...
    def __get__(self, client: Sender | AsyncSender | None, owner: type) -> Any:
        """Return it as a method of a client."""

        def method(client: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - either client
            return client.stream(self.call(client, *args, **kwargs))

        return self if client is None else _bound(self.describe, method, client)


class Walk(Generic[P, Page, Part]):
    """All pages of an endpoint, one after the other, each asked for when it is wanted.

    Args:
        page: the endpoint.
        parameter: of a call, that says where the page begins.
        following: where the page behind one begins; None: it was the last.
        parts: what the page consists of.
    """

    def __init__(
        self,
        page: Endpoint[P, Page],
        parameter: str,
        following: Callable[[Page], int | str | None],
        parts: Callable[[Page], Iterable[Part]],
    ) -> None:
        self.page, self.parameter, self.following, self.parts = page, parameter, following, parts
        self.__doc__ = f"As `{page.name}`, and all that follows, page by page."

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, Iterator[Part]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncIterator[Part]]: ...
    def __get__(self, client: Sender | AsyncSender | None, owner: type) -> Any:
        """Return it as a method of a client."""
        if client is None:
            return self
        walk = self._walk if isinstance(client, Sender) else self._walk_awaited
        return _bound(self.page.describe, walk, client)

    def _walk(self, client: Sender, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Part]:
        while True:
            page = client.send(self.page.call(client, *args, **kwargs))
            yield from self.parts(page)
            kwargs[self.parameter] = self.following(page)
            if kwargs[self.parameter] is None:
                return

    async def _walk_awaited(
        self, client: AsyncSender, /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[Part]:
        while True:
            page = await client.send(self.page.call(client, *args, **kwargs))
            for part in self.parts(page):
                yield part
            kwargs[self.parameter] = self.following(page)
            if kwargs[self.parameter] is None:
                return


def endpoint(
    line: str,
    kind: type[T],
    repeat: Repeat = Repeat.always,
    answers: Sequence[int] = (),
    slow: bool = False,
) -> Callable[[Callable[Concatenate[Any, P], Parts]], Endpoint[P, T]]:
    """Make an endpoint of a function that returns what a request says; see `_Described`."""
    return lambda describe: Endpoint(describe, line, kind, repeat, answers, slow)


def lines_endpoint(
    line: str, slow: bool = False
) -> Callable[[Callable[Concatenate[Any, P], Parts]], LinesEndpoint[P, str]]:
    """Make an endpoint whose answer is JSON Lines."""
    return lambda describe: LinesEndpoint(describe, line, str, slow=slow)


def _bound(described: Callable[..., Parts], method: Callable[..., Any], client: object) -> MethodType:
    """Return a method that looks as the function that describes it, and does something else."""

    def named(client: object, /, *args: object, **kwargs: object) -> object:
        return method(client, *args, **kwargs)

    return MethodType(update_wrapper(named, described), client)

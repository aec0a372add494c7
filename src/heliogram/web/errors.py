"""What the web server itself refuses. Each has a `code`, as those of the node, and a status of HTTP.

WebError
  NoSession      the secret or the start token is not one, or no more
  NotPermitted   the secret's scope does not allow this
  NotOpen        the profile is locked, or there is none
  NoSuchPath     nothing is there
  NoUpload       no upload has this id
  TooLarge       more bytes than are taken
  TooManyUploads too many wait to be sent
  Unreadable     the body is not what this wants
  Busy           too many wait already
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from heliogram.node.errors import NodeError


class WebError(NodeError):
    """The root of what the web server refuses."""

    name: ClassVar[str] = "web"
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return self.name


class NoSession(WebError):
    """The secret or the start token is not one, or no more. Begin anew: `heliogram web`."""

    name = "no session"
    status = HTTPStatus.UNAUTHORIZED


class NotPermitted(WebError):
    """The secret's scope does not allow this."""

    name = "not permitted"
    status = HTTPStatus.FORBIDDEN


class NotOpen(WebError):
    """The profile is locked, or there is none: unlock or make it first."""

    name = "not open"
    status = HTTPStatus.CONFLICT


class NoSuchPath(WebError):
    """Nothing is there."""

    name = "no such path"
    status = HTTPStatus.NOT_FOUND


class NoUpload(WebError):
    """No upload has this id: it was sent, deleted, or never there."""

    name = "no such upload"
    status = HTTPStatus.NOT_FOUND


class TooLarge(WebError):
    """More bytes than are taken. Nothing of them is kept."""

    name = "too large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyUploads(WebError):
    """Too many uploads wait to be sent. Send or delete some."""

    name = "too many uploads"
    status = HTTPStatus.TOO_MANY_REQUESTS


class Unreadable(WebError):
    """The body is not what this wants."""

    name = "unreadable"
    status = HTTPStatus.BAD_REQUEST


class Busy(WebError):
    """Too many wait for this already. Try again."""

    name = "busy"
    status = HTTPStatus.TOO_MANY_REQUESTS

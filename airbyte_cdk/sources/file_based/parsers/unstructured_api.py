"""Documents turned into text by a service that speaks the API of unstructured.io.

One call a document: ``POST <address>/general/v0/general`` with the file and the parameters as multipart/form-data; the
answer is a JSON list of elements. See https://docs.unstructured.io/api-reference/partition/overview.
"""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Iterator
from threading import Event
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.retry_policy import wait
from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_types import DocumentType, UnprocessableDocument
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    import requests

    from airbyte_cdk.sources.file_based.config.unstructured_format import APIProcessingConfigModel

PATH = "/general/v0/general"
ATTEMPTS = 5
"""A document is sent at most so often, while the service answers that it may work later."""
FIRST_WAIT = 1.0
"""Longest wait after the first failed attempt, in seconds; it doubles with each attempt."""
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0
"""OCR of a long document takes minutes."""
_USELESS = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405})
"""Statuses that another attempt will not change: the address or the key is wrong."""
_NEVER = Event()


class ApiFailure(Exception):
    """A call did not give the text of a document. The text of the error says why, without the key.

    Args:
        reason: Why.
        passes: Whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, passes: bool) -> None:
        super().__init__(reason)
        self.passes = passes


class DocumentApi:
    """The service, as the options of a stream name it.

    Args:
        options: Address, key and parameters.
        strategy: How PDF files are to be taken apart; the service's own names.
    """

    def __init__(self, options: APIProcessingConfigModel, strategy: str) -> None:
        self._url = options.api_url.rstrip("/") + PATH
        self._key = options.api_key
        self._fields = [("strategy", strategy), *((given.name, given.value) for given in options.parameters or [])]

    @property
    def host(self) -> str:
        """Its host, for messages."""
        try:
            return urlsplit(self._url).hostname or "?"
        except ValueError:
            return "?"

    def text(self, file: IO[bytes], document_type: DocumentType, uri: str, logger: logging.Logger) -> str:
        """The text of a document as Markdown. Temporary failures are tried again, with growing waits.

        Raises:
            UnprocessableDocument: the service cannot process this document (status 422).
            AirbyteTracedException: a config_error: the service does not do its work.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return markdown.document(map(markdown.element, self.elements(file, document_type)))
            except ApiFailure as failure:
                final = not failure.passes or attempt == ATTEMPTS
                if final or not self._waited(attempt, failure, logger):
                    raise self._traced(failure, uri, attempt) from failure
        raise AssertionError("unreachable")

    def _waited(self, attempt: int, failure: ApiFailure, logger: logging.Logger) -> bool:
        bound = FIRST_WAIT * 2.0 ** (attempt - 1)
        seconds = random.uniform(bound / 2, bound)
        logger.info(f"The document API at {self.host} failed ({failure}); next attempt in {seconds:.1f} s")
        return wait(seconds, _NEVER)

    def _traced(self, failure: ApiFailure, uri: str, attempts: int) -> AirbyteTracedException:
        message = (
            f"The document API at {self.host} does not turn file {uri} into text ({attempts} attempts): {failure}. "
            "Check its address, its key and its parameters in the format's options."
        )
        return AirbyteTracedException(
            internal_message=message, message=message, failure_type=FailureType.config_error, exception=failure
        )

    def elements(self, file: IO[bytes], document_type: DocumentType) -> list[dict[str, Any]]:
        """The elements of a document, by one call.

        Raises:
            UnprocessableDocument: the service cannot process this document (status 422).
            ApiFailure: the service cannot be reached, refuses, or answers something else.
        """
        import requests

        file.seek(0)
        form = _Form(self._fields, file, document_type)
        headers = {"accept": "application/json", "content-type": form.content_type, "unstructured-api-key": self._key}
        try:
            # a redirect would take the key to another host
            answer = requests.post(
                self._url,
                data=form,
                headers=headers,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise ApiFailure(f"it cannot be reached ({type(error).__name__})", passes=True) from error
        except (requests.RequestException, UnicodeError) as error:
            raise ApiFailure(f"its address or key cannot be used ({type(error).__name__})", passes=False) from error
        return _elements(answer)


def _elements(answer: requests.Response) -> list[dict[str, Any]]:
    if answer.status_code == 422:
        raise UnprocessableDocument(f"the document API refuses it{_detail(answer)}")
    if answer.status_code != 200:
        reason = f"it answers with status {answer.status_code}{_detail(answer)}"
        raise ApiFailure(reason, passes=answer.status_code not in _USELESS)
    try:
        elements = answer.json()
    except ValueError as error:
        raise ApiFailure("its answer is not JSON", passes=True) from error
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        raise ApiFailure("its answer is not a list of elements", passes=False)
    return elements


def _detail(answer: requests.Response) -> str:
    """What the service says about a failure, if it says so in the usual form."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(detail)[:200]}"


class _Form:
    """A form with fields and one file as the body of a request, which is read from the file while it is sent.

    Format: multipart/form-data, https://www.rfc-editor.org/rfc/rfc7578. It has what `requests` asks of a body that is
    to be streamed with its length, and no `tell`, which would make it a file.
    """

    def __init__(self, fields: list[tuple[str, str]], file: IO[bytes], document_type: DocumentType) -> None:
        from urllib3.fields import RequestField
        from urllib3.filepost import choose_boundary

        boundary = choose_boundary()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head: list[bytes] = []
        for name, value in fields:
            field = RequestField(name, value)
            field.make_multipart()
            head.append(f"--{boundary}\r\n{field.render_headers()}{value}\r\n".encode())
        # the file's own name is not told: it may hold what must not leave, or what the service cannot read
        sent = RequestField("files", b"", f"document.{document_type.value}")
        sent.make_multipart(content_type=document_type.media_type)
        head.append(f"--{boundary}\r\n{sent.render_headers()}".encode())
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        ends = b"".join(head), f"\r\n--{boundary}--\r\n".encode()
        self._size = len(ends[0]) + size + len(ends[1])
        self._parts: list[IO[bytes]] = [io.BytesIO(ends[0]), file, io.BytesIO(ends[1])]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(1 << 16):
            yield data

    def read(self, size: int = -1) -> bytes:
        while self._parts:
            if data := self._parts[0].read(size):
                return data
            self._parts.pop(0)
        return b""

"""Reads a page the way a browser does, as far as its tests need."""

from __future__ import annotations

from html.parser import HTMLParser

from grantway.protocol.message import Response


class Markup(HTMLParser):
    """The elements of a page in their order, each with its attributes, and the text of the page."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[tuple[dict[str, str], list[dict[str, str]]]] = []
        self._text: list[str] = []
        self.feed(response.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "form":
            self.forms.append((attributes, []))
        elif tag in ("input", "button") and self.forms:
            self.forms[-1][1].append(attributes)

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    @property
    def shape(self) -> list[tuple[str, ...]]:
        """Elements and the names of their attributes: what no text of a context may change."""
        return [(tag, *attributes) for tag, attributes in self.elements]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def by_id(self, identifier: str) -> dict[str, str]:
        [found] = [attributes for _, attributes in self.elements if attributes.get("id") == identifier]
        return found

"""Read the pages of the web application as a browser would: elements, text and forms."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    """An element with its attributes and what is in it."""

    tag: str
    attributes: dict[str, str]
    content: "list[Element | str]" = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> "Iterator[Element]":
        """The elements below with this tag and these attributes (`class_`: one of its classes), in the page's order."""
        for one in self.content:
            if isinstance(one, Element):
                if one.tag == tag and all(one.has(name, value) for name, value in attributes.items()):
                    yield one
                yield from one.all(tag, **attributes)

    def has(self, name: str, value: str) -> bool:
        """Whether an attribute has this value; `class_` compares with each class."""
        if name == "class_":
            return value in self.attributes.get("class", "").split()
        return self.attributes.get(name.rstrip("_")) == value

    def text(self) -> str:
        """The text as it is read, with single blanks."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for one in self.content:
            if isinstance(one, str):
                yield one
            else:
                yield from one._texts()
                yield " "


@dataclass(frozen=True)
class Form:
    """A form with what it would send: hidden and filled-in fields, and boxes that can be ticked by (name, value)."""

    action: str
    fields: list[tuple[str, str]]
    boxes: list[tuple[str, str]]


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


@dataclass(frozen=True)
class Page:
    """A page that was answered: address, status, headers and content."""

    address: str
    status: int
    headers: dict[str, str]
    html: str
    root: Element

    def form(self, ending: str) -> Form | None:
        """The first form with a POST whose action ends so, or None where the page offers none."""
        return next((form for form in self.forms() if form.action.split("?")[0].endswith(ending)), None)

    def forms(self) -> Iterator[Form]:
        """The forms that are sent by POST."""
        for element in self.root.all("form"):
            if element.attributes.get("method", "get").lower() == "post":
                yield _form(element)

    def text(self) -> str:
        """What is read on the page."""
        return self.root.text()

    def csrf(self) -> str:
        """The CSRF token for scripts, or an empty text."""
        found = next(self.root.all("meta", name="csrf-token"), None)
        return found.attributes.get("content", "") if found else ""


def parse(address: str, status: int, headers: dict[str, str], html: str) -> Page:
    """Parse an answer."""
    builder = _Builder()
    builder.feed(html)
    return Page(address, status, headers, html, builder.root)


def _form(element: Element) -> Form:
    fields, boxes = [], []
    for one in element.all("input"):
        name, kind = one.attributes.get("name", ""), one.attributes.get("type", "text").lower()
        if not name or "disabled" in one.attributes or kind in {"submit", "button", "image"}:
            continue
        pair = name, one.attributes.get("value", "on" if kind in {"checkbox", "radio"} else "")
        if kind in {"checkbox", "radio"}:
            boxes.append(pair)
            if "checked" in one.attributes:
                fields.append(pair)
        else:
            fields.append(pair)
    fields += [(one.attributes["name"], one.text()) for one in element.all("textarea") if "name" in one.attributes]
    for one in element.all("select"):
        options = list(one.all("option"))
        chosen = next(
            (option for option in options if "selected" in option.attributes), options[0] if options else None
        )
        if chosen is not None and "name" in one.attributes:
            fields.append((one.attributes["name"], chosen.attributes.get("value", chosen.text())))
    return Form(element.attributes.get("action", ""), fields, boxes)

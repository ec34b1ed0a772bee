"""HTML pages that need no other file, from the templates of the package."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping


def render(template: str, *, filters: Mapping[str, Callable] | None = None, **values) -> str:
    """Fills a template; whatever the values say is escaped."""
    try:
        import jinja2
    except ImportError:
        raise missing("jinja2") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfkit.utils"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(**values)


def missing(library: str) -> ImportError:
    """The error for a library of the extra `plots` that is not installed."""
    return ImportError(f"Pages and plots are made with {library}: pip install 'tfkit[plots]'.")


def data_uri(svg: str) -> str:
    """An image inside the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()

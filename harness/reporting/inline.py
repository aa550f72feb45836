"""What the page carries besides its text: its one script, known by its hash, and the compressed block of items."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, pass_environment
from markupsafe import Markup

from harness.exceptions import InputError
from harness.reporting.answers import Case
from harness.reporting.escape import html_value


@dataclass(frozen=True)
class Script:
    """A script as it stands in the page.

    Attributes:
        source: what stands between its tags, to the byte.
        sha256: the base64 digest that a content security policy names.
    """

    source: Markup
    sha256: str


@pass_environment
def script(environment: Environment, name: str) -> Script:
    """The file ``name`` of the templates' folder, for a page that allows this script and no other.

    Raises:
        InputError: the file would end its own tag.
        jinja2.TemplateNotFound: there is no such file.
    """
    if environment.loader is None:  # not reached: every environment of the reports has one
        raise InputError(f"{name}: the environment has no folder of templates")
    source = environment.loader.get_source(environment, name)[0].replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in source.lower() or "<!--" in source:
        raise InputError(f"{name}: a script in a page may hold neither </script nor <!--; write it in two parts")
    digest = base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")
    return Script(Markup(source), digest)


def packed(cases: Sequence[Case], markup: Callable[[Case], str]) -> Markup:
    """``cases`` as one inert block for the page's script: a JSON list, gzipped, in base64.

    Each entry is ``{"of", "id", "skill", "verdict", "before", "after", "rounds", "html"}``: its set, skill and primary
    categories as the page shows them (empty where there is no category), the rounds in which the item became right or
    wrong, and what ``markup`` makes of the case. Base64 has no character that a page could take for markup; ``html``
    is escaped by the template that makes it.
    """
    rows = [
        {
            "of": case.of,
            "id": case.item_id,
            "skill": html_value(case.skill),
            "verdict": case.verdict,
            "before": html_value(case.before.category) if case.before else "",
            "after": html_value(case.after.category),
            "rounds": case.history.changed,
            "html": str(markup(case)),
        }
        for case in cases
    ]
    text = json.dumps(rows, separators=(",", ":"))
    return Markup(base64.b64encode(gzip.compress(text.encode("ascii"), 6, mtime=0)).decode("ascii"))

"""A report whose every foreign text tries to act in the browser: to run, to ask, to send the reader away."""

from __future__ import annotations

from dataclasses import replace

from report_fixture import make_report_data

from harness.evaluated import Evaluation
from harness.reporting.data import ReportData

ACT = "window.pwned=1"
PAYLOADS = (
    f"<script>{ACT}</script>",
    f"</script><script>{ACT}</script>",
    f"</style><script>{ACT}</script>",
    f"</title><script>{ACT}</script>",
    f"<img src=x onerror={ACT}>",
    f'"><img src=x onerror="{ACT}">',
    f"' onmouseover='{ACT}' autofocus onfocus='{ACT}",
    f"<svg/onload={ACT}>",
    f"<svg><animate onbegin={ACT} attributeName=x dur=1s>",
    f"<details open ontoggle={ACT}>",
    f"<input autofocus onfocus={ACT}>",
    f"<video><source onerror={ACT}></video>",
    f'<iframe srcdoc="<script>parent.{ACT.replace("window.", "")}</script>"></iframe>',
    f'<iframe src="javascript:parent.{ACT.replace("window.", "")}"></iframe>',
    f'<noscript><p title="</noscript><img src=x onerror={ACT}>">',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror={ACT}>">',
    f"<template><script>{ACT}</script></template><body onload={ACT}>",
    f"<!--<script>{ACT}//--><script>{ACT}</script>",
    f"]]><script>{ACT}</script><![CDATA[",
    "<script>alert(1)</script><a href='javascript:alert(2)'>press</a>",
    "<img src=https://evil.example/beacon.png><link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'><base href=https://evil.example/>",
    "<form action=https://evil.example/><button autofocus>send</button></form><object data=https://evil.example/x>",
    "<style>@import 'https://evil.example/x.css'; body{display:none}</style>",
    "{{ constructor.constructor('window.pwned=1')() }}${window.pwned=1}",
    f"&lt;img src=x onerror={ACT}&gt;&#60;script&#62;{ACT}&#60;/script&#62;",
    "\x00<scr\x00ipt>window.pwned=1</script>\u202e\u2028window.pwned=1//",
)


def hostile_report() -> ReportData:
    """A finished run in which prompt, gold, response, skill, category, reason and item id are payloads."""
    data = make_report_data(rounds=3, hostile=True, crash_round=None, n=len(PAYLOADS) * 4)
    changed = {}
    for name in ("baseline_dev", "champion_dev", "test_before", "test_after"):
        evaluation = getattr(data, name)
        assert evaluation is not None
        changed[name] = _hostile(evaluation)
    return replace(data, **changed)


def _hostile(evaluation: Evaluation) -> Evaluation:
    results, errors = [], []
    for number, (result, record) in enumerate(zip(evaluation.results, evaluation.errors, strict=True)):
        payload, skill = PAYLOADS[number % len(PAYLOADS)], PAYLOADS[number % 5]
        results.append(
            replace(
                result,
                item_id=f"{payload} {number}",
                skill=skill,
                prompt=f"{payload}\n{payload}",
                target=payload,
                response=f"{payload} {result.response[:200]}",
            )
        )
        labels = tuple(replace(label, category=payload, reason=payload, span=(1, 9)) for label in record.labels)
        errors.append(replace(record, item_id=f"{payload} {number}", labels=labels, primary=record.primary and payload))
    return replace(evaluation, results=tuple(results), errors=tuple(errors))

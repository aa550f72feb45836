"""Personal data and secrets in text: found by form and, where the form has one, by checksum; counted and masked.

Rules of our own rather than a library: Presidio and scrubadub bring spaCy or scikit-learn with models, detect-secrets
scans source files line by line, python-stdnum is LGPL, and the small ones are months old. What is sought here has a
published form; names and street addresses, which need a model, are not sought.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["private_key", "url_password", "api_key", "email", "iban", "credit_card", "ip_address", "phone"]

MASKS: dict[Kind, str] = {
    "private_key": "[PRIVATE KEY]",
    "url_password": "[PASSWORD]",
    "api_key": "[API KEY]",
    "email": "[EMAIL]",
    "iban": "[IBAN]",
    "credit_card": "[CARD]",
    "ip_address": "[IP]",
    "phone": "[PHONE]",
}
"""What stands in the place of each kind. The order is that of precedence where two claim the same characters."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:.*?-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\,:-]*)",
    re.DOTALL,
)
_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/:@\[\]<>\"']{0,200}:([^\s/@\"'<>]{1,200})@")
# Prefixes that the issuers publish so that secret scanners can find their keys.
_API_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?=[A-Za-z0-9_-]{0,60}\d)[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter
    r"|(?:sk|rk|pk|whsec)_(?:live_|test_)[A-Za-z0-9]{10,200}"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"  # AWS
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,400}|GOCSPX-[A-Za-z0-9_-]{20,40}"  # Google
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"  # Slack
    r"|hf_[A-Za-z0-9]{30,64}|gsk_[A-Za-z0-9]{40,80}|r8_[A-Za-z0-9]{37,40}|xai-[A-Za-z0-9]{60,100}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|SK[0-9a-f]{32}|key-[0-9a-f]{32}"  # SendGrid, Twilio, Mailgun
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40,400}|dop_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"
    r"|\d{8,10}:AA[A-Za-z0-9_-]{33}"  # Telegram
    r"|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    r")(?![A-Za-z0-9])"
)
_WEB_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)  # RFC 7519
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff-]{0,62})\.){1,8}"
    r"[A-Za-z\u00a1-\uffff]{2,24}(?![\w-])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2}(?=[ -]?[A-Za-z0-9])")
_CARD = re.compile(
    r"(?<![\w.])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})(?!\w)", re.ASCII
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,36}(?![\w:])")
_VERSION = re.compile(r"(?:\bv|version|release|section|chapter)\W{0,2}$", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w+.])\+\d(?:[ ./()-]{0,3}\d){6,14}(?!\w)"  # +49 (0)30 1234-567
    r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4}(?![\w-])"  # (212) 555-0123
)
_SAID_PHONE = re.compile(
    r"(?i)\b(?:tel(?:ephone|efon)?|phone|mobile|mobil|cell|fax|handy|whatsapp|call)"
    r"(?:\s{0,3}(?:me|us|number|no|nr|at|on|is)\b){0,3}[\s.:#=]{0,6}(\(?\d[\d ()/.-]{5,20}\d)(?!\w)"
)

# Lengths by country: SWIFT's IBAN registry (ISO 13616).
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM TL SO",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC",
        "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


@dataclass(frozen=True)
class Private:
    """Something private in a text: its kind and its characters ``[start, end)``."""

    kind: Kind
    start: int
    end: int


def luhn(digits: str) -> bool:
    """Whether the last of ``digits`` checks the others (Luhn, US patent 2,950,048; ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether ``text`` (letters and digits alone) has its country's length and the right check digits (ISO 7064)."""
    code = text.upper()
    if _IBAN_LENGTHS.get(code[:2]) != len(code) or not (code.isascii() and code.isalnum()):
        return False
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1


def _issued(digits: str) -> bool:
    """Whether a card of this length is issued under these first digits."""
    four = int(digits[:4])
    if digits[0] == "4":
        return len(digits) in (13, 16, 19)
    if 51 <= four // 100 <= 55 or 2221 <= four <= 2720:
        return len(digits) == 16
    if digits[:2] in ("34", "37"):
        return len(digits) == 15
    if digits[:2] in ("36", "38", "39") or 300 <= four // 10 <= 305:
        return len(digits) in (14, 16, 19)
    return (digits[:4] == "6011" or digits[:2] in ("62", "65") or 3528 <= four <= 3589) and 16 <= len(digits) <= 19


def _whole(pattern: re.Pattern[str], group: int = 0) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (match.span(group) for match in pattern.finditer(text))


def _passwords(text: str) -> Iterator[tuple[int, int]]:
    for match in _URL_PASSWORD.finditer(text):
        if match[1] != MASKS["url_password"]:
            yield match.span(1)


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[1].upper())
        end, code = match.start(), ""
        while length and len(code) < length and end < len(text):
            char = text[end]
            if char.isascii() and char.isalnum():
                code += char
            elif char not in " -" or not text[end - 1].isalnum():
                break
            end += 1
        if length == len(code) and is_iban(code) and not text[end : end + 1].isalnum():
            yield match.start(), end


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _issued(digits) and luhn(digits):
            yield match.span()


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            shown = match[0].rstrip(":")
            try:
                public = ipaddress.ip_address(shown).is_global
            except ValueError:
                continue
            if public and not _VERSION.search(text[max(0, match.start() - 12) : match.start()]):
                yield match.start(), match.start() + len(shown)


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern, group in ((_PHONE, 0), (_SAID_PHONE, 1)):
        for match in pattern.finditer(text):
            if 7 <= sum(char.isdigit() for char in match[group]) <= 15:
                yield match.span(group)


_DIGIT = re.compile(r"\d\D{0,3}\d\D{0,3}\d")


def _finders(text: str) -> Iterator[tuple[Kind, Callable[[str], Iterator[tuple[int, int]]]]]:
    """Those whose form can occur in ``text`` at all, in the order of precedence."""
    if "PRIVATE KEY" in text:
        yield "private_key", _whole(_PRIVATE_KEY)
    at, digits = "@" in text, _DIGIT.search(text) is not None
    if at and "://" in text:
        yield "url_password", _passwords
    yield "api_key", _whole(_API_KEY)
    if ".eyJ" in text:
        yield "api_key", _whole(_WEB_TOKEN)
    if at:
        yield "email", _whole(_EMAIL)
    if digits:
        yield "iban", _ibans
        yield "credit_card", _cards
    if digits or ":" in text or "." in text:
        yield "ip_address", _addresses
    if digits:
        yield "phone", _phones


def find_private(text: str) -> list[Private]:
    """What looks private in ``text``, in its order, without overlaps."""
    taken: list[Private] = []
    for kind, finder in _finders(text):
        for start, end in finder(text):
            if all(end <= other.start or start >= other.end for other in taken):
                taken.append(Private(kind, start, end))
    return sorted(taken, key=lambda found: found.start)


def mask(text: str) -> str:
    """``text`` with each private piece replaced by its mask; masking twice gives what masking once gives."""
    while found := find_private(text):
        pieces, end = [], 0
        for private in found:
            pieces += [text[end : private.start], MASKS[private.kind]]
            end = private.end
        text = "".join(pieces) + text[end:]
    return text


def mask_value(value: Any) -> Any:
    """A JSON value with every string in it masked; the same object where nothing was."""
    if isinstance(value, str):
        masked = mask(value)
        return value if masked == value else masked
    if isinstance(value, list | tuple):
        items = [mask_value(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        fields = {key: mask_value(item) for key, item in value.items()}
        return value if all(fields[key] is value[key] for key in value) else fields
    return value


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, in order; keys of objects are not."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += reversed(one.values())
        elif isinstance(one, list | tuple):
            waiting += reversed(one)

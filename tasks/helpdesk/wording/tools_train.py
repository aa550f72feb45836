# fmt: off
"""Wording of the tools items, train split: each tool's documentation and messages that ask for it.

A tool has a description, its parameters (name and the slot whose value is right), and messages. A slot that counts
something (``INTEGERS`` in `tools_heldout`) makes the parameter an integer. `REMARKS` are sentences, by slot, that name
another value of that kind and ask for nothing.
"""

from __future__ import annotations

Tool = tuple[str, dict[str, str], tuple[str, ...]]

TOOLS: dict[str, Tool] = {
    "track_parcel": ("tells where a parcel is", {"order": "order"}, (
        "Where has my parcel got to? It's order {order}.",
        "I've been waiting for order {order} for {n} days. How far is it?",
        "Could you look up which depot order {order} has reached?")),
    "cancel_order": ("cancels an order that has not left the warehouse", {"order": "order"}, (
        "Please don't ship order {order}, I no longer want it.",
        "I changed my mind about order {order}. [Drop|Stop] it before it goes out.",
        "We found a {type} elsewhere, so stop order {order} while it's still with you.")),
    "change_address": ("sends an order to another city", {"order": "order", "city": "city1"}, (
        "I'm moving: order {order} should go to {city1}.",
        "Could you deliver order {order} in {city1} rather than at my old place?",
        "Order {order} must be sent to {city1}, where I live now.")),
    "copy_invoice": ("sends the bill of an order once more", {"order": "order"}, (
        "My bookkeeper needs the bill for order {order} again.",
        "I lost the invoice of order {order}. May I have a copy?",
        "For my taxes I'd like another copy of what I was charged, order {order}.")),
    "wrap_gift": ("wraps an order in coloured paper", {"order": "order", "colour": "colour1"}, (
        "Order {order} is a present. Could you wrap it in {colour1}?",
        "Please put {colour1} gift paper round order {order}.",
        "It's for my aunt's birthday: order {order}, in {colour1} paper if you can.")),
    "refund_order": ("pays back a sum for an order", {"order": "order", "euros": "e1"}, (
        "You still owe me {e1} euros for order {order}, which I sent back.",
        "I paid {e1} euros too much for order {order} and want that back.",
        "Order {order} came in pieces. Give me my {e1} euros back.")),
    "return_label": ("mails a label for sending an order back", {"order": "order"}, (
        "I want to return order {order} and need the sticker for the parcel.",
        "Nothing to print came with order {order}. What do I stick on the box to send it back?",
        "Order {order} isn't for me. How do I get the postage slip for returning it?")),
    "use_voucher": ("takes a voucher off the price of an order", {"order": "order", "code": "serial"}, (
        "I forgot to enter my voucher {serial} for order {order}.",
        "Please take gift card {serial} off the price of order {order}.",
        "My discount code is {serial}. Can it still count for order {order}?")),
    "delay_delivery": ("moves a delivery to another day", {"order": "order", "day": "day1"}, (
        "Nobody is home before {day1}. Can order {order} come then?",
        "Please bring order {order} on {day1}, not earlier.",
        "I'd rather get order {order} on {day1}.")),
    "rename_order": ("puts an order into another name", {"order": "order", "name": "name"}, (
        "Order {order} should be in the name of {name}, my partner.",
        "I misspelt the name on order {order}. It is {name}.",
        "Could you put {name} as the customer on order {order}?")),
    "book_repair": ("sends a technician on a given day", {"product": "p1", "day": "day1"}, (
        "My {p1} {fault}. Could someone come and mend it on {day1}?",
        "The {p1} {fault}. I am at home on {day1} for a repair.",
        "Please have a technician see my {p1} on {day1}.")),
    "check_warranty": ("tells until when an appliance is covered", {"serial": "serial"}, (
        "Is my {type} with the serial number {serial} still under guarantee?",
        "How long is serial {serial} covered?",
        "The plate says {serial}. When does its warranty run out?")),
    "extend_warranty": ("adds years to the guarantee of an appliance", {"serial": "serial", "years": "y1"}, (
        "I'd like {y1} more years of guarantee for serial {serial}.",
        "Please add {y1} years to the warranty of my {type}, serial {serial}.",
        "Can I buy {y1} further years of cover? The serial is {serial}.")),
    "register_owner": ("registers an appliance for its owner", {"serial": "serial", "name": "name"}, (
        "Please register my new {type}, serial {serial}, for {name}.",
        "I've just unpacked serial {serial} and want it registered. My name is {name}.",
        "{name} here. How do I sign up my {type} with you? The serial is {serial}.")),
    "order_filters": ("sends filters for an appliance", {"product": "p1", "count": "n1"}, (
        "I need {n1} filters for my {p1}.",
        "Please send me {n1} new filters, they're for the {p1}.",
        "My {p1} is out of filters. I'll take {n1}.")),
    "send_manual": ("sends the instructions for an appliance", {"product": "p1"}, (
        "I threw away the booklet that came with my {p1}.",
        "How do I get the instructions for the {p1}?",
        "There was no manual in the box of my {p1}.")),
    "find_shop": ("names the shop in a city", {"city": "city1"}, (
        "Do you have a shop in {city1}?",
        "Where can I see your appliances in {city1}?",
        "I live in {city1} and would like to buy in a store there. Which one?")),
    "shop_hours": ("tells when a shop is open on a day", {"city": "city1", "day": "day1"}, (
        "How late is your shop in {city1} open on {day1}?",
        "When does the {city1} store open on {day1}?",
        "I want to drop by your shop in {city1} on {day1}. At what time do you close?")),
    "reserve_product": ("puts an appliance aside in a shop", {"product": "p1", "city": "city1"}, (
        "Could the shop in {city1} keep a {p1} for me?",
        "Please put one {p1} aside in {city1}, I'll fetch it soon.",
        "I'd like to pick up the {p1} at your {city1} store. Hold one for me, please.")),
    "notify_stock": ("writes when an appliance is in stock again", {"product": "p1"}, (
        "The {p1} is sold out. Tell me when you have it again.",
        "Let me know as soon as the {p1} is back on your shelves.",
        "Could I get a mail when the {p1} is available again?")),
    "call_back": ("has somebody telephone the customer", {"phone": "phone", "day": "day1"}, (
        "Please ring me on {phone} this {day1}.",
        "I'd rather talk. My number is {phone}, and {day1} suits me.",
        "Can someone phone me on {day1}? It's {phone}.")),
    "book_demo": ("shows an appliance to a visitor in a shop", {"product": "p1", "city": "city1"}, (
        "I'd like to see the {p1} at work in your {city1} shop.",
        "Can somebody in {city1} show me how the {p1} works?",
        "Before I buy the {p1} I want to watch it run, in {city1} if possible.")),
}

REMARKS: dict[str, tuple[str, ...]] = {
    "order": ("My earlier order, {order2}, went well.", "Order {order2} has come, so that one is settled."),
    "serial": ("{serial2} is a different one, at my office.", "On my sister's I see {serial2}, but hers is fine."),
    "p1": ("I also own the {p2}, which runs well.", "My mother is happy with her {p2}."),
    "city1": ("I work in {city2}, by the way.", "I'm writing from {city2} today."),
    "day1": ("I already wrote to you on {day2}.", "Your hotline was busy on {day2}."),
    "name": ("It was {person1} who told me to write.", "Your colleague {person1} was most helpful."),
}

# fmt: off
"""Wording of the tools items, validation and test splits; see `tools_train`. No tool is in two splits."""

from __future__ import annotations

from wording.tools_train import Tool

INTEGERS = ("n1", "y1", "e1")

# Where a message asks for one of these and none fits, the others are not shown: some reader would make do with them.
RELATED = (
    {"find_shop", "shop_hours", "reserve_product", "book_demo"}, {"refund_order", "return_label", "cancel_order"},
    {"track_parcel", "delay_delivery"}, {"check_warranty", "extend_warranty"}, {"deep_clean", "set_reminder"},
)

TOOLS: dict[str, dict[str, Tool]] = {
    "validation": {
        "hold_parcel": ("keeps a parcel at the depot for some days", {"order": "order", "days": "n1"}, (
            "We are on holiday. Keep order {order} at the depot for {n1} days.",
            "Can purchase {order} wait {n1} days before the van brings it?",
            "Don't bring {order} yet, store it for {n1} days.")),
        "lend_appliance": ("lends an appliance during a repair", {"product": "p1", "city": "city1"}, (
            "While mine is being mended, may I borrow a {p1} in {city1}?",
            "My own one is at your workshop. I'd need a {p1} on loan here in {city1}.",
            "Until the repair is done, lend me a {p1}. I live in {city1}.")),
        "match_price": ("lowers the price to that of another shop", {"product": "p1", "shop": "rival"}, (
            "{rival} sells the {p1} for less. Will you do the same?",
            "I've seen your {p1} cheaper at {rival}. Can you meet that?",
            "You promise the lowest price, but {rival} asks less for the {p1}.")),
        "collect_old": ("fetches an old appliance for recycling", {"city": "city1", "day": "day1"}, (
            "My worn-out {type} has to go. Could you fetch it in {city1} on {day1}?",
            "Who takes away an ancient {type}? I'm in {city1}, {day1} is best.",
            "On {day1} I'm at home in {city1}: please pick up our old {type} for scrap.")),
        "swap_colour": ("changes the colour of what was ordered", {"order": "order", "colour": "colour1"}, (
            "Make it a {colour1} one instead, purchase {order}.",
            "I'd like what I ordered under {order} in {colour1} after all.",
            "Can {order} come in {colour1}? I ticked the wrong shade.")),
        "split_payment": ("lets an order be paid in monthly parts", {"order": "order", "months": "n1"}, (
            "May I spread the price of {order} over {n1} months?",
            "I can't pay {order} at once; {n1} monthly parts would help.",
            "Let me pay off purchase {order} within {n1} months.")),
        "check_recall": ("says whether an appliance must be sent in for safety", {"serial": "serial"}, (
            "I heard some {type}s are dangerous. Is {serial} one of them?",
            "Does your recall include the appliance with plate {serial}?",
            "The news warned of your {type}s. Must I send in {serial}?")),
        "enrol_course": ("signs somebody up for a cooking course", {"name": "name", "month": "month1"}, (
            "{name} would like to join the cooking class in {month1}.",
            "Is there room in the {month1} course? The name is {name}.",
            "Please sign up {name} for learning to cook with you in {month1}.")),
        "close_account": ("deletes a customer's account", {"name": "name"}, (
            "Remove everything stored under {name}, I've stopped shopping with you.",
            "I want my profile gone for good. It's under {name}.",
            "{name} doesn't need a login with you any more. Delete it.")),
        "resend_code": ("texts a new login code to a telephone", {"phone": "phone"}, (
            "The code for signing in never reached my mobile, {phone}.",
            "I can't log in without those six digits. Text them to {phone} again.",
            "Your login message got lost. Once more to {phone}, please.")),
    },
    "test": {
        "speed_up": ("upgrades an order to express delivery", {"order": "order"}, (
            "I need {order} much sooner than planned. Is there a faster way?",
            "Let {order} travel by express, whatever it costs.",
            "Can you hurry up the shipping of {order}? The party is tomorrow.")),
        "fetch_return": ("sends a courier to pick up a return", {"order": "order", "city": "city1"}, (
            "I can't carry {order} to the post. Could a courier take it back from my flat in {city1}?",
            "Have {order} picked up at my home in {city1}, it's going back to you.",
            "It's too heavy for me: who collects {order} for its return, from {city1}?")),
        "send_lid": ("posts a replacement lid", {"product": "p1", "colour": "colour1"}, (
            "The lid of our {p1} has cracked. We'd love a {colour1} one.",
            "I've lost the top of the {p1}, could I have another lid in {colour1}?",
            "Kindly post me a {colour1} lid that fits the {p1}.")),
        "deep_clean": ("books a thorough cleaning at home", {"product": "p1", "day": "day1"}, (
            "Our {p1} is filthy inside. Is {day1} free for your cleaners?",
            "Would your people scrub the {p1} at our place on {day1}?",
            "I'd pay to have the {p1} cleaned properly here, ideally {day1}.")),
        "change_owner": ("transfers an appliance to a new owner", {"serial": "serial", "name": "name"}, (
            "I sold my {type} to {name}. Its plate reads {serial}, please update your list.",
            "From now on {serial} belongs to {name}.",
            "My {type}, {serial}, was given to {name}; write that down as the owner.")),
        "set_reminder": ("reminds the customer to descale every few weeks", {"product": "p1", "weeks": "n1"}, (
            "I always forget to descale the {p1}. Nudge me every {n1} weeks.",
            "Would you send a message each {n1} weeks so that the {p1} gets descaled?",
            "Remind me of the lime in our {p1}, say every {n1} weeks.")),
        "add_points": ("credits bonus points to a member", {"name": "name", "points": "e1"}, (
            "The {e1} points for my last purchase are missing. Member: {name}.",
            "{name} was promised {e1} bonus points and never got them.",
            "Where are the {e1} points I earned? I'm {name}, a member for {y} years.")),
        "visit_factory": ("arranges a tour of the factory", {"city": "city1", "month": "month1"}, (
            "Our class wants to see how things are made at your plant in {city1}, perhaps in {month1}.",
            "May we tour the works in {city1} this {month1}?",
            "In {month1} I'd love to look round the factory in {city1}.")),
        "insure_parcel": ("insures a shipment for a sum", {"order": "order", "euros": "e1"}, (
            "Please cover {order} for {e1} euros in case the courier drops it.",
            "I want insurance of {e1} euros on the shipment of {order}.",
            "If {order} gets damaged on the way I'd like {e1} euros paid; can you insure that?")),
        "block_card": ("blocks a lost customer card", {"name": "name"}, (
            "My customer card was stolen, nobody must use it. It's issued to {name}.",
            "{name} has left the member card on a train. Make it invalid, please.",
            "Freeze the card of {name}, it can't be found.")),
    },
}

REMARKS: dict[str, dict[str, tuple[str, ...]]] = {
    "validation": {
        "order": ("{order2} was last year's and is done.", "Forget {order2}, that has been dealt with."),
        "serial": ("Next door they have {serial2}.", "The one from before was {serial2}."),
        "p1": ("Our {p2} gives no trouble.", "We once had the {p2}, too."),
        "city1": ("My parents live in {city2}.", "I grew up in {city2}."),
        "day1": ("It was {day2} when I noticed.", "I tried to phone on {day2}."),
        "name": ("A friend, {person1}, sends regards.", "We got your address from {person1}."),
        "month1": ("I was away in {month2}.",),
        "colour1": ("My old one was {colour2}.",),
    },
    "test": {
        "order": ("The parcel before, {order2}, was perfect.", "Nothing to do about {order2}."),
        "serial": ("Plate {serial2} stays with me.", "You know {serial2} from my last mail."),
        "p1": ("Luckily the {p2} is like new.", "A friend swears by the {p2}."),
        "city1": ("I used to live in {city2}.", "My sister is in {city2}."),
        "day1": ("We bought it on a {day2}.", "I rang you last {day2}."),
        "name": ("{person1} recommended you.", "On the phone {person1} was no help."),
        "month1": ("We moved here in {month2}.",),
        "colour1": ("The kitchen is {colour2}.",),
    },
}

"""Wording of the routing messages, validation and test splits; see `routing_train`."""

from __future__ import annotations

SITUATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "validation": {
        "refund-status": (
            "I gave the {type} back in {city} and was told {e} euros would follow. Nothing has followed.",
            "By when will what you owe me for the {p} show up at my bank?",
            "Did the reimbursement you announced {n} days ago get stuck somewhere?",
        ),
        "refund-request": (
            "Having tried the {p} for two days, we'd rather get our {e} euros returned to us.",
            "I regret buying this {type}. Take it back and return the price to me, please.",
            "May I withdraw now that the {p} is here? I expect the full price to come back to me.",
        ),
        "exchange": (
            "Would you let me trade my {p} for something larger, at no loss to you?",
            "I chose badly: the {p2} would suit us, not the {p}. It is still sealed, so can we switch?",
            "The colour of the {type} disappoints us. The same one in cream would be lovely in return for it.",
        ),
        "return-label": (
            "I'm ready to ship the {type} back, just missing the barcode for the post office.",
            "Your portal gives an error where it should produce the postage sheet for sending the {p} in.",
            "Who pays the postage when the {type} travels back, and where is the sheet for it?",
        ),
        "delivery-tracking": (
            "The estimate for the {p} was {day} and it is now later than that. Has it at least left the depot?",
            "I'm curious on what date my {type} turns up.",
            "For {n} days the map has shown the courier at the same spot near {city}.",
        ),
        "delivery-missing": (
            "The courier swears the {type} was given to me in person. I was in {city} that day.",
            "There's a signature in your records, but neither I nor the concierge ever held the {p}.",
            "'Left with a neighbour', the card says. I rang at every door and the {type} is nowhere.",
        ),
        "delivery-damage": (
            "Something heavy must have stood on the carton, for the {type} has a cracked side.",
            "Unboxing the {p} was sad: shards everywhere.",
            "The foam was in crumbs and the {type} had a broken foot before we ever used it.",
        ),
        "delivery-address": (
            "Purchase {order} must not go to {city}, I live elsewhere now.",
            "May the van drop the {p} at my workplace?",
            "I left out the flat number on the form for the {type}. How can I add it?",
        ),
        "wrong-item": (
            "What came out of the carton was the {p2}, which I never chose; mine is the {p}.",
            "I was sent somebody else's {type}; the name on the slip is {name}.",
            "Our parcel held a garden hose where the {type} should have been.",
        ),
        "missing-part": (
            "Everything for the {p} is here apart from the charger.",
            "The list says {n} feet for the {type}, the bag holds none.",
            "Someone at your factory forgot to put the filter into the box of our {p}.",
        ),
        "order-cancel": (
            "Is it too late to revoke what I bought last night, the {type}?",
            "I'd like to back out of purchase {order} while it's still with you.",
            "The {p} will be of no use to us any more; kindly don't pack it.",
        ),
        "order-change": (
            "In purchase {order}, could you make it three rather than two, as long as it's still with you?",
            "I'd like the grey {type} rather than the cream one, if it hasn't been packed.",
            "Can a greeting card be added to the {p} before the parcel is closed?",
        ),
        "payment-failed": (
            "At the last step the shop says my bank refused, but the bank knows of no attempt.",
            "I'm unable to buy the {p}, as the page with the card details won't go further.",
            "The direct debit form refuses my number again and again.",
        ),
        "double-charge": (
            "One {type}, one parcel, and yet {e} euros were deducted on {day} and once more later.",
            "Looking at my bookings I see that you have collected the price of the {p} in duplicate.",
            "Please look into why a single purchase shows up two times on my credit card.",
        ),
        "invoice": (
            "Could I have something official for my accountant that shows the tax on the {p}?",
            "The document with the price for purchase {order} is made out to my former firm.",
            "I must prove to my insurer what the {type} cost me. Is there a document?",
        ),
        "voucher": (
            "You gave me {e} euros off for a friend's sign-up. How do I apply that?",
            "On entering the promo word the site replies that it's unknown.",
            "How long can I use the gift credit from my aunt, and for the {p} too?",
        ),
        "warranty-claim": (
            "It's been {n} months, and the {p} broke down with no fault of ours. This should cost us nothing, right?",
            "A button fell off our nearly new {type}; I count on you to make good on your two-year promise.",
            "We registered the {p} when we got it this year, and now it's dead. Please repair it under the cover.",
        ),
        "paid-repair": (
            "After {y} years of service the {type} gave in. I'd spend some money to revive it; what are your rates?",
            "My dog chewed through the cable of the {p}. What is the bill if you mend that?",
            "Do you still mend a {type} of that age, and could you tell me the cost beforehand?",
        ),
        "spare-parts": (
            "I'd buy the glass piece of the {type} if it can be had alone.",
            "Is there a shop for hoses and gaskets of the {p}?",
            "After {y} years the filter of our {type} wants renewing. Where do I get one?",
        ),
        "setup-help": (
            "First evening with the {type}: which button starts it, and what goes where?",
            "The leaflet for assembling the {p} is only in Finnish. Can you walk me through?",
            "How is the new {type} paired with my phone?",
        ),
        "fault-diagnosis": (
            "What's behind code F{n} on the {p}?",
            "Our {type} goes silent halfway through. What may I look at before thinking of a mechanic?",
            "Could you help me track down why the {p} runs slower than before?",
        ),
        "safety": (
            "As soon as the {type} runs, the wall socket turns black and it stinks of scorching.",
            "My fingers tingle whenever I hold the {p}, as if it were live.",
            "There was a bang and a bright flash inside the {type}, and we are afraid to use it.",
        ),
        "account-access": (
            "Whatever I type, the login form tells me no.",
            "I changed my mobile, so the confirmation texts for signing in go nowhere.",
            "My wife's login got blocked after she mistyped the password.",
        ),
        "privacy": (
            "I wish to be forgotten by your company, with every record of mine removed.",
            "To whom have you passed my phone number? Strangers keep ringing me with your offers.",
            "Take me off the list for promotional mails.",
        ),
    },
    "test": {
        "refund-status": (
            "The {p} has been back with you for {n} weeks; what keeps the {e} euros from being paid out?",
            "I wonder whether my reimbursement has been booked. Your last note called it approved.",
            "You wrote that I'd see the amount within {n} days. I'm looking at my balance and see none of it.",
        ),
        "refund-request": (
            "This {type} doesn't fit into our life. I'd love to return it and see my {e} euros again.",
            "Please reverse the sale of the {p}, and no, I don't want a different one for it.",
            "How can I get what I spent on the {type} returned? It's been used once and I'm disappointed.",
        ),
        "exchange": (
            "Our new {type} is too big for the shelf, could a smaller one come in its stead?",
            "I'd gladly give you this {p} if you give me the {p2}, same price after all.",
            "Is it possible to turn my pink {type} into a silver one? It's as good as new.",
        ),
        "return-label": (
            "Nothing to scan came with the {p}, so the post office won't accept the box I'm sending back to you.",
            "Kindly email the postage form again, I spilled tea on it before I could ship the {type} to you.",
            "Am I supposed to pay the stamp for sending the {p} in, or will you provide a sticker?",
        ),
        "delivery-tracking": (
            "Will my {type} make it here by {day}? All I know is that it has left you.",
            "Number {order} was sent off a while ago; in which town might it be now?",
            "Do you have a time window for the van that brings the {p}?",
        ),
        "delivery-missing": (
            "Your app congratulates me on my new {type}. Well, I would be glad to see it: no parcel ever came.",
            "The note on the door says the {p} is in the shed, but the shed is empty.",
            "Allegedly number {order} was accepted by {name}. I know nobody of that name and have no box.",
        ),
        "delivery-damage": (
            "One corner of the carton was pushed in, and so is the casing of the {type}.",
            "I haven't even switched on the {p}: it was in two halves when I lifted it out.",
            "Whoever carried the parcel let it fall. The {type} in it is badly dented.",
        ),
        "delivery-address": (
            "Since I'm staying with friends in {city}, please route the {p} to them.",
            "There's a typo in my street on number {order}. It has to be put right before the van leaves.",
            "Can the {type} be brought to the parcel locker next to the station in place of my home?",
        ),
        "wrong-item": (
            "Lovely packaging, only there was the {p2} in it and I had paid for the {p}.",
            "My {type} has a US plug and a label for another model than the one on my bill.",
            "A mix-up, I think: my box has the goods meant for {name}.",
        ),
        "missing-part": (
            "The pouch with the bolts is not in the carton, otherwise the {type} is all there.",
            "I was looking forward to the {p}, but it was shipped with no battery.",
            "Page two of the leaflet shows a hose with the {type}; ours has come without.",
        ),
        "order-cancel": (
            "I'd like to drop the {p} I bought on {day}; you haven't sent it, have you?",
            "Please annul number {order}, my sister surprised me with the very same {type}.",
            "Stop, do not dispatch the {type}: I mistook it for another one and want nothing now.",
        ),
        "order-change": (
            "Could number {order} also include the {p2}, provided the box is still open?",
            "Make that {n} of the {type}, please, if your warehouse hasn't begun.",
            "I'd prefer the {p} in silver. As it's still in your warehouse, could you alter that?",
        ),
        "payment-failed": (
            "The money won't go through: after my PIN your page says try again, for ever.",
            "I have enough on my card, and even so the shop will not let me pay for the {p}.",
            "My online banking opens, closes, and then your site claims that I aborted.",
        ),
        "double-charge": (
            "{e} euros gone on {day}, and the same {e} euros gone again at night. I bought one {type}.",
            "Have you collected for number {order} more than once? My balance suggests so.",
            "My husband noticed a repeated booking from you for one and the same {p}.",
        ),
        "invoice": (
            "I'd need the paperwork with your tax number for the {p}, as my office pays for it.",
            "Please send the bill for number {order} once more; it was lost with my old laptop.",
            "The sum on the receipt for the {type} is shown without tax. May I have one that lists it?",
        ),
        "voucher": (
            "How do I redeem the {e} euros that your summer campaign gave me?",
            "I typed in the letters from the leaflet, and the price of the {p} didn't go down.",
            "The gift credit you mailed to {city} seems to have expired before it came.",
        ),
        "warranty-claim": (
            "Not even {n} months, and our {type} is finished. I would like it put right without paying.",
            "The {p} from last summer has stopped for no reason; I still have the bill, so please see to it free.",
            "A seam on the {type} opened up by itself in the first year. I hold you to your guarantee.",
        ),
        "paid-repair": (
            "What would your technicians ask to revive a {type} that is {y} years old?",
            "My own clumsiness, the {p} fell down the stairs. I'll bear the cost, so please name it.",
            "Long past any guarantee, our {type} needs a new motor fitted. Do you offer that, and at what price?",
        ),
        "spare-parts": (
            "Can I have just the lower half of the {type}, without buying it all anew?",
            "The rubber ring of our {p} has worn thin. Please tell me the article number and price.",
            "Looking for a longer hose for my {type}, do you stock that?",
        ),
        "setup-help": (
            "I've taken the {type} out of its box and now I'm stuck: what is the first step?",
            "Does the new {p} have to run empty once before we use it?",
            "In which order do the pieces of the {type} go on? We only got it today.",
        ),
        "fault-diagnosis": (
            "The {p} flashes green and orange by turns. Is it telling me something?",
            "What makes a {type} stop and go like this? I'm happy to test a few things at home.",
            "Number {n} appears on the screen of the {p} and it refuses to carry on. Help me understand it.",
        ),
        "safety": (
            "The underside of the {type} has charred our table, and I fear for the house.",
            "When I reached for the {p} a jolt went up my arm.",
            "Bare wires stick out of my {type} and it crackles. Should I warn the others in the building?",
        ),
        "account-access": (
            "Every password I choose is refused, so I can't see my purchases.",
            "How do I get back in? The email I used with you no longer exists.",
            "It tells me that too many attempts were made and to come back later, since {day}.",
        ),
        "privacy": (
            "What exactly is on file about me? The law gives me the right to see it.",
            "No more leaflets and mails, please. I never signed up.",
            "Wipe my details from your computers, including what the {p} app has gathered.",
        ),
    },
}

OPENINGS = {
    "validation": ("", "", "", "Hey, ", "Dear desk, ", "Good evening. ", "{name} writing. "),
    "test": ("", "", "", "Greetings. ", "To the service team: ", "Dear people, ", "This is {name}. "),
}
CLOSINGS = {
    "validation": ("", "", "", "Many thanks!", "Best, {name}", "I hope you can help.", "Sent from {city}"),
    "test": ("", "", "", "With thanks.", "Yours, {name}", "Looking forward to your reply.", "Written in {city}"),
}
SETTLED = {
    "validation": {
        "refund-status": "What you owed me for the {p2} did arrive.",
        "delivery-damage": "The crack in the {p2} has been seen to.",
        "account-access": "The trouble with my password is over.",
        "setup-help": "Assembling the {p2} took me no time.",
        "invoice": "The tax papers for the {p2} I have.",
        "delivery-tracking": "The {p2} got here on {day} as planned.",
    },
    "test": {
        "refund-status": "Your transfer for the {p2} reached me, much appreciated.",
        "delivery-damage": "The dented one from before has long been replaced.",
        "payment-failed": "My bank and your shop get along again.",
        "voucher": "My gift credit I'll keep for Christmas.",
        "delivery-missing": "The parcel I thought was stolen has since been found.",
        "missing-part": "That forgotten hose was handed in later, thanks.",
    },
}

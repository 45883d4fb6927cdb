"""The English that questions about things are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from scenekeeper.world.request import THING

Phrase = tuple[str, ...]


def _phrases(table: Mapping[str, str]) -> dict[Phrase, str]:
    """Each of several phrases, divided by bars, with what it stands for."""
    return {
        tuple(phrase.split()): meaning
        for meaning, phrases in table.items()
        for phrase in phrases.split("|")
    }


PREPOSITIONS = _phrases(
    {
        "on": "on|on top of|onto|upon|atop|from|resting on|at",
        "in": "in|inside|inside of|within|into|out of",
        "under": "under|underneath|below|beneath",
        "above": "above|over",
        "next to": "next to|beside|besides|by|by the side of|right next to|adjacent to|alongside",
        "near": "near|near to|close to|nearby|around",
        "attached to": "attached to|mounted on|hanging on|hanging from|fixed to|stuck to",
        "behind": "behind|in back of|at the back of",
        "in front of": "in front of|before|at the front of",
        "left of": "left of|to the left of|on the left of|to the left side of|"
        "on the left side of|on the left hand side of",
        "right of": "right of|to the right of|on the right of|to the right side of|"
        "on the right side of|on the right hand side of",
        "between": "between|in between",
        "holding": "with|containing|holding|carrying|full of|without",
    }
)

COLORS = _phrases(
    {
        "black": "black",
        "white": "white|ivory|cream|off white",
        "gray": "gray|grey|silver|silvery",
        "red": "red|crimson|scarlet|maroon",
        "orange": "orange",
        "yellow": "yellow|golden",
        "green": "green|lime|olive",
        "blue": "blue|navy|navy blue|cyan|turquoise|teal",
        "purple": "purple|violet|lilac",
        "pink": "pink|rose|magenta",
        "brown": "brown|tan|beige",
    }
)

SIZES = _phrases(
    {
        "small": "small|little|tiny|mini",
        "large": "large|big|huge|giant",
        "tall": "tall|high",
        "short": "short|low",
        "long": "long",
        "flat": "flat|thin",
        "light": "light|pale|bright",
        "dark": "dark",
    }
)

SUPERLATIVES = _phrases(
    {
        "left": "leftmost|left most|furthest left|farthest left|left|left hand",
        "right": "rightmost|right most|furthest right|farthest right|right|right hand",
        "middle": "middle|central|center|centre",
        "near": "nearest|closest|nearer|closer",
        "far": "farthest|furthest|farther|further",
        "high": "highest|topmost|top|upper|uppermost",
        "low": "lowest|bottom|lower|lowermost",
        "front": "frontmost|front",
        "back": "rearmost|rear|back",
        "large": "largest|biggest|larger|bigger",
        "small": "smallest|smaller|littlest|tiniest",
        "tall": "tallest|taller",
        "short": "shortest|shorter",
        "long": "longest|longer",
        "other": "other|another|remaining",
    }
)

DIRECTIONS = _phrases(
    {
        "left": "from the left|on the left|to the left|from left|on the left side|"
        "on the left hand side|on your left|on my left",
        "right": "from the right|on the right|to the right|from right|on the right side|"
        "on the right hand side|on your right|on my right",
        "middle": "in the middle|in the center|in the centre",
        "high": "from the top|at the top|on top",
        "low": "from the bottom|at the bottom",
        "front": "from the front|in front|at the front",
        "back": "from the back|at the back|in the back",
        "near": "nearest to me|closest to me|nearest to you|closest to you|nearest you|nearest me|"
        "near me|near you",
        "far": "farthest from me|furthest from me|farthest from you|furthest from you|"
        "farthest away|furthest away",
    }
)
"""Said after the noun: "the mug on the left", "second from the left"."""

TO_WHAT = _phrases({"near": "nearest|nearest to|closest|closest to", "far": "farthest from"}) | {
    ("furthest", "from"): "far"
}
"""Said after the noun, and followed by what it is measured from."""

ORDINALS = {
    word: n
    for n, words in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"), 1
    )
    for word in words.split()
}

ANYTHING = {"thing", "object", "item", "something", "anything", "everything", "one", "stuff", "it"}

ARTICLES = {"the", "this", "that", "these", "those", "my", "your", "our", "his", "her", "its"}
ANY = {"a", "an", "any", "some", "either"}
ALL = {"all", "every", "each", "both"}

OPENINGS: dict[Phrase, str] = {
    tuple(phrase.split()): ask
    for ask, phrases in {
        "count": "how many|count|number of|what number of|what is the number of",
        "exists": "is there|are there|is there still|do you see|can you see|do we have|"
        "have we got|do you have|have you got|have you seen|did you see|does there exist|"
        "do you know of|do i have|is any of|there is|there are|was there|were there",
        "all": "list|which are|what are|name",
        "one": "where is|where are|where was|where were|where s|where did i leave|where did i put|"
        "where did you see|where can i find|where do i find|where have i left|find|find me|locate|"
        "show|show me|bring|bring me|get|get me|give me|give|fetch|fetch me|grab|grab me|pick up|"
        "pick|take|pass|pass me|hand me|hand|go to|move to|look at|point at|point to|i need|i want|"
        "we need|i am looking for|i m looking for|looking for|look for|search for|search|tell me|"
        "which|what|what is|what s|whats|could you|can you|would you|will you|please|what about|"
        "what color is|what colour is|how big is|how far is|when did you last see|navigate to|"
        "drive to|put away|clean|open|close",
    }.items()
    for phrase in phrases.split("|")
}
"""What questions begin with, and what they ask for; several may follow one another."""

FILLERS = _phrases(
    {
        "": "please|now|right now|currently|here|for me|thanks|thank you|there|anywhere|somewhere|"
        "in here|in this room|in the room|around here|in the scene|in the house|at the moment|"
        "you know of|do you know|do we have|do you see|can you see|still|exactly|in total|"
        "are there|visible|again|just|today|yesterday|earlier|actually|can be seen|hey|"
        "robot|ok|okay"
    }
)

JOINING = {
    "is", "are", "was", "were", "which", "who", "being", "sitting", "standing", "lying", "laying",
    "placed", "located", "put", "kept", "resting", "stored", "that", "hanging", "stacked", "am",
    "mounted", "leaning", "situated", "found", "seen", "be", "sits", "stands", "lies", "s",
}  # fmt: skip
"""Between a noun and what is said of it; they say nothing themselves."""

NEGATIONS = {"not", "never", "neither", "nor"}

EXCEPT = _phrases({"": "other than|except|except for|apart from|but not"})

_IRREGULAR = {
    "knives": "knife", "shelves": "shelf", "loaves": "loaf", "mice": "mouse", "people": "person",
    "men": "man", "women": "woman", "children": "child", "leaves": "leaf", "feet": "foot",
    "bookshelves": "bookshelf", "scarves": "scarf", "boxes": "box", "couches": "couch",
}  # fmt: skip


def singulars(word: str) -> list[str]:
    """A word and what it may be the plural of, the likeliest last."""
    out = [word]
    if word in _IRREGULAR:
        out.append(_IRREGULAR[word])
    if word.endswith("ies") and len(word) > 4:
        out.append(word[:-3] + "y")
    if word.endswith(("ses", "xes", "ches", "shes", "zes", "oes")):
        out.append(word[:-2])
    if word.endswith("s") and not word.endswith("ss"):
        out.append(word[:-1])
    return out


def plural(phrase: str) -> str:
    """Of a class name: ``mugs``, ``boxes``; what is plural already stays."""
    back = {one: many for many, one in _IRREGULAR.items()}
    *first, last = phrase.split()
    if last in back:
        last = back[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last = last if last.endswith("s") and not last.endswith("ss") else last + "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join((*first, last))


@dataclass(frozen=True)
class Nouns:
    """The names that things may have: those of the scene, and the classes with synonyms.

    Attributes:
        names: class names in the scene.
        synonyms: per class, other words for it.
    """

    names: frozenset[str]
    synonyms: Mapping[str, Sequence[str]]

    @cached_property
    def meaning(self) -> dict[Phrase, str]:
        """Each noun phrase and the class it means; what things are called beats synonyms."""
        out: dict[Phrase, str] = {}
        for noun, words in self.synonyms.items():
            out.update((tuple(w.lower().split()), noun) for w in words)
        for noun in (*self.synonyms, *self.names):
            out[tuple(noun.lower().split())] = noun
        out.pop((), None)
        return out

    def classes(self, noun: str) -> tuple[str, ...]:
        """Names in the scene that mean the noun: itself, and those it is a synonym of.

        A word may be a name of its own and another class's synonym ("desk", "table"); the name
        alone is meant then.
        """
        if noun in self.names:
            words = [noun, *self.synonyms.get(noun, ())]
        else:
            words = [noun, *self.synonyms.get(noun, ())]
            words += [c for c, s in self.synonyms.items() if noun in s]
        return tuple(dict.fromkeys(w for w in words if w in self.names))

    def inside(self, tokens: Sequence[str]) -> tuple[int, int, str, bool] | None:
        """Where the noun of a phrase lies: begin, end, class, whether plural.

        That is the last word, but in "a bowl of apples" the first, and in "a roll of tape", where
        nothing is known of rolls, the last.
        """
        whole = self.at_end(tokens)
        if "of" in tokens:
            k = tokens.index("of")
            before = self.at_end(tokens[:k])
            if before is not None and (whole is None or whole[0] < len(tokens) - k):
                return k - before[0], k, before[1], before[2]
        return whole and (len(tokens) - whole[0], len(tokens), *whole[1:])

    def at_end(self, tokens: Sequence[str]) -> tuple[int, str, bool] | None:
        """The longest known noun that tokens end with: how many, class, whether plural."""
        for k in range(min(4, len(tokens)), 0, -1):
            *first, last = tokens[-k:]
            for form in singulars(last):
                noun = self.meaning.get((*first, form))
                if noun is not None:
                    # "scissors" is a name of its own and no plural.
                    return k, noun, form != last
        last = tokens[-1] if tokens else ""
        for form in singulars(last):
            if form in ANYTHING:
                return 1, THING, form != last or last == "everything"
        return None


def longest(tokens: Sequence[str], at: int, table: Iterable[Phrase]) -> Phrase | None:
    """The longest phrase of a table that stands at a place in tokens."""
    found = [p for p in table if tuple(tokens[at : at + len(p)]) == p]
    return max(found, key=len, default=None)

"""English plurals: `stem` gives singular and plural of a noun the same key, and other words a key of their own.

An S-stemmer (Harman 1991) with the classes that it leaves out. The key is no word: "cookies" and "cookie" become
"cooky", "vases" and "vase" become "vas", as no rule of spelling tells whether a plural in -ies, -ses, -xes, -zes, -ches
or -oes has lost an e. Words in -s are cut unless they are known to be singular, so that a key in -s is free for this.
"""

from functools import lru_cache

CACHED_KEYS = 100_000
_SINGULAR = """
lens news goods customs shorts tights briefs flats greens blues arms mars
gas canvas atlas bias alias christmas texas kansas madras pancreas adidas
cosmos chaos thermos rhinoceros asbestos kudos albatros
iris tennis chassis basis oasis axis pelvis paris debris cannabis clematis ibis trellis marquis mantis portcullis
analysis crisis thesis diagnosis emphasis psoriasis metropolis epidermis arthritis dermatitis pancreatitis
gps sms xxs mrs css dns rss
"""
_US_PLURALS = "menus gurus emus tutus haikus tiramisus cpus gpus"  # other words in -us are singular
_MEN_SINGULARS = """
amen ramen omen lumen bitumen acumen cyclamen specimen regimen abdomen stamen yemen semen hymen carmen
"""
_OWN_KEY = "marie julie carrie use dues"  # their key would be another word's
_IRREGULAR = {
    "men": "man", "children": "child", "people": "person", "mice": "mouse", "dormice": "dormouse", "lice": "louse",
    "geese": "goose", "feet": "foot", "teeth": "tooth", "oxen": "ox", "elves": "elf", "selves": "self", "lives": "life",
    "cacti": "cactus", "fungi": "fungus", "radii": "radius", "nuclei": "nucleus", "antennae": "antenna",
    "indices": "index", "matrices": "matrix", "vertices": "vertex", "appendices": "appendix",
    "oases": "oasis", "crises": "crisis", "theses": "thesis", "analyses": "analysis", "diagnoses": "diagnosis",
    "quizzes": "quiz", "fezzes": "fez", "whizzes": "whiz",
}  # fmt: skip
_SUFFIXES = {
    "knives": "knife", "wives": "wife", "shelves": "shelf", "wolves": "wolf", "leaves": "leaf", "loaves": "loaf",
    "scarves": "scarf", "halves": "half", "calves": "calf", "thieves": "thief", "hooves": "hoof", "dwarves": "dwarf",
    "wharves": "wharf", "children": "child", "eaux": "eau",
}  # fmt: skip
_NO_PLURALS = frozenset([*_SINGULAR.split(), *_MEN_SINGULARS.split()])
_UNCHANGED, _PLURALS_IN_US = frozenset(_OWN_KEY.split()), frozenset(_US_PLURALS.split())
_SILENT_E = ("se", "xe", "ze", "che", "she", "oe")


@lru_cache(maxsize=CACHED_KEYS)
def stem(word: str) -> str:
    """Return the key of a folded word; words with other characters than a to z are their own key."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()) or word in _UNCHANGED:
        return word
    single = _singular(word)
    single = _singular(single) if single in _IRREGULAR or single.endswith("men") else single  # mens, childrens
    if len(single) > 3 and single not in _UNCHANGED:
        if single.endswith("ie"):
            return f"{single[:-2]}y"
        if single.endswith(_SILENT_E):
            return single[:-1]
    return single


def _singular(word: str) -> str:
    """Return the word without its plural ending; an e that may be part of the ending stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for plural, singular in _SUFFIXES.items():
        if word.endswith(plural):
            return word.removesuffix(plural) + singular
    if word.endswith("men") and word not in _NO_PLURALS:
        return f"{word[:-3]}man"
    if not word.endswith("s") or word.endswith("ss") or word in _NO_PLURALS:
        return word
    if word.endswith("us") and word not in _PLURALS_IN_US:
        return word
    if len(word) == 3:
        return word if set(word[:2]) & set("aeiouy") else word[:2]  # bus, gas; CDs, TVs
    return f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else word[:-1]

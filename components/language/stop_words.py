"""Stop words in English and Chinese; words that occur in product names, such as "can", are not among them."""

from functools import cache

_ENGLISH = """
a about after again all also am an and any are as at be because been before being but by could did do does doing don't
each for from further had has have having he her here hers him his how i i'm if in into is it it's its just me more
most my nor not now of once only or other our ours same she should so some such than that the their theirs them then
there these they this those through to too until very was we were what when where which while who whom why will with
would you your yours
"""
_CHINESE = """
的 了 着 过 地 得 和 与 及 或 而 但 且 也 都 就 还 又 再 很 太 更 最 在 于 从 向 对 把 被 给 让 为 以 是 有 这 那 此 其
我 你 您 他 她 它 们 之 等 吗 呢 吧 啊 呀 哦 嘛 个 些 么 我们 你们 他们 她们 它们 自己 这个 那个 这些 那些 这样 那样
这里 那里 什么 怎么 为什么 因为 所以 如果 虽然 但是 而且 或者 以及 还是 就是 不是 可以 没有 已经 非常 一个 一些 一下
有点 还有 只是 然后
"""


@cache
def stop_words() -> frozenset[str]:
    """Return the stop words of both languages, lower case."""
    return frozenset(_ENGLISH.split()) | frozenset(_CHINESE.split())

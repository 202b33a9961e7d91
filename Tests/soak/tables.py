# tables.py SEED COUNT [ROWS] - random tables of at most ROWS (3000) rows, COUNT questions about them, and the answers of
# sqlite3: a chunk of Lua for tables.lua.
#
# The files are written by Python's csv and json. What SQLite does not compute (quantiles, variances, first and last
# values, calendars) are functions in Python.
import csv
import datetime
import io
import json
import math
import random
import sqlite3
import sys

seed, wanted = int(sys.argv[1]), int(sys.argv[2])
most = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
random.seed(seed)
chance = lambda part: random.random() < part
pick = random.choice


def lua(value):
    """A value as a literal of Lua."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "%.17g" % value if math.isfinite(value) and ("%.17g" % value).strip("-0123456789") else "%.1f" % value
    out = bytearray()
    for byte in value.encode():
        out += b"%c" % byte if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03d" % byte
    return '"' + out.decode() + '"'


def names(columns):
    return ", ".join(lua(c) for c in columns)


# ---- values

words = ["a", "b", "ab", "key", "Key", "ä", "漢字", "🇦", " a", "a ", "x,y", 'say "so"', '"', '""', "two\nlines", "\t", ";", "|", "-1", "1.5",
         "true", "null", "nil", "#", "'", "\\", "\\n", "%d", "a" * 15, "a" * 16, "a" * 17, "b" * 31, "b" * 32 + "c", "k" * 255, "\u0301"]


def text(has_returns):
    kind = random.random()
    if kind < 0.6:
        word = pick(words)
    elif kind < 0.999 or most < 100:
        word = "".join(pick("abc,\"\n xyzäß€𝄞;01") for _ in range(random.randrange(1, pick([3, 9, 20, 70]))))
    else:
        word = pick("pq") * random.randrange(1000, 50000)
    return word + "\r" if has_returns and chance(0.05) else word


def value(kind, has_returns):
    if kind == "string":
        return text(has_returns)
    if kind == "integer":
        return random.randrange(-5, 6) if chance(0.6) else random.randrange(-(10**12), 10**12)
    if kind == "number":
        return float(random.randrange(-20, 20)) / pick([1, 2, 4]) + 0.0 if chance(0.5) else round(random.uniform(-1000, 1000), random.randrange(0, 12)) + 0.0
    if kind == "boolean":
        return chance(0.5)
    return random.randrange(-86400 * 400, 86400 * 400) if chance(0.3) else 1700000000 + random.randrange(-400000, 400000)  # time


def show(kind, x):
    """A value as text of a CSV file."""
    if kind == "boolean":
        return "true" if x else "false"
    if kind == "time":
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=x)
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + pick(["Z", "", "+00:00"]) if chance(0.7) else moment.strftime("%Y-%m-%d %H:%M:%S")
    return repr(x) if kind == "number" else str(x)


# ---- tables


class Table:
    def __init__(self, name, keys, pools, rows):
        self.name, self.rows = name, rows
        self.is_json = chance(0.35)
        plain = self.is_json or chance(0.5)
        self.line = "\n" if self.is_json or chance(0.6) else "\r\n"
        self.kinds = dict(keys)
        extra = [n if plain else pick([n, n + " x", 'the "%s"' % n, "ä," + n]) for n in ("x", "y", "z", name + "1")]
        for column in random.sample(extra, random.randrange(0, len(extra) + 1)):
            self.kinds[column] = pick(["string", "integer", "number", "number", "boolean", "time"])
        self.columns = list(self.kinds)
        random.shuffle(self.columns)
        nulls = {c: pick([0, 0, 0.1, 0.5, 1 if chance(0.2) else 0.1]) for c in self.columns}
        has_returns = self.line == "\r\n" or self.is_json
        self.data = []
        for _ in range(rows):
            row = []
            for c in self.columns:
                if chance(nulls[c]):
                    row.append(None)
                elif c in pools and chance(0.8):
                    row.append(pick(pools[c]))
                else:
                    row.append(value(self.kinds[c], has_returns))
            self.data.append(row)
        texts = self.of("string")
        self.is_long = 0 < rows < 10000 and most > 100 and bool(texts) and chance(0.005)
        if self.is_long:
            # A row that is longer than what is read at a time.
            self.data[random.randrange(rows)][self.columns.index(pick(texts))] = pick(["q", '"', "\n,"]) * 3000000
        self.write_json() if self.is_json else self.write_csv()
        connection.execute("drop table if exists %s" % name)
        affinity = {"string": "text", "integer": "integer", "number": "real", "boolean": "integer", "time": "integer"}
        connection.execute("create table %s (%s)" % (name, ", ".join("%s %s" % (sql(c), affinity[self.kinds[c]]) for c in self.columns)))
        if self.columns:
            connection.executemany("insert into %s values (%s)" % (name, ", ".join("?" * len(self.columns))), self.data)

    def write_csv(self):
        separator = pick([",", ",", ";", "|", "\t"])
        # Null is no text, and then no text is an empty string; or it is a word.
        null = pick(["", "NA"]) if len(self.columns) > 1 else "NA"
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, lineterminator=self.line, quoting=csv.QUOTE_MINIMAL)
        has_header = chance(0.8)
        if has_header:
            writer.writerow(self.columns)
        for row in self.data:
            writer.writerow([null if x is None else show(self.kinds[c], x) for c, x in zip(self.columns, row)])
        self.text = out.getvalue()
        if self.rows and chance(0.3):
            self.text = self.text[: -len(self.line)]
        if chance(0.1):
            self.text = "\ufeff" + self.text
        self.path = "%s.%s" % (self.name, "tsv" if separator == "\t" and chance(0.7) else "csv")
        options = ["header = %s" % lua(has_header), "columns = { %s }" % names("%s %s" % (c, self.kinds[c]) for c in self.columns)]
        if not self.path.endswith("tsv"):
            options.append("sep = %s" % lua(separator))
        if null:
            options.append("null = { %s }" % lua(null))
        self.options = "{ %s }" % ", ".join(options)

    def write_json(self):
        # A column may stand inside of an object.
        nested = {c: chance(0.3) for c in self.columns}
        lines = []
        for row in self.data:
            line, inner = {}, {}
            for c, x in random.sample(list(zip(self.columns, row)), len(row)):
                if x is None and chance(0.5):
                    continue
                if x is not None and self.kinds[c] == "time":
                    x = show("time", x)
                (inner if nested[c] else line)[c] = x
            if chance(0.2):
                line["other"] = pick([[1, {"a": [None]}], "}{", {"x": 1}, [], 1e300])
            if inner or chance(0.3):
                line["in"] = inner
            lines.append(json.dumps(line, ensure_ascii=chance(0.5)) + "\n")
        self.text = "".join(lines)
        self.path = self.name + ".jsonl"
        renames = "".join(":rename(%s, %s)" % (lua("in." + c), lua(c)) for c in self.columns if nested[c])
        self.options = "{ columns = { %s } }" % names(("in." if nested[c] else "") + c + " " + self.kinds[c] for c in self.columns)
        self.renames = renames

    renames = ""

    def of(self, *kinds):
        return [c for c in self.columns if self.kinds[c] in kinds]


# ---- what SQLite does not have


class Values:
    def __init__(self):
        self.values, self.argument = [], None

    def step(self, x, argument=None):
        if x is not None:
            self.values.append((x, argument))
        self.argument = argument


class Quantile(Values):
    def finalize(self):
        x, q = sorted(v for v, _ in self.values), self.argument
        if not x:
            return None
        at = q * (len(x) - 1)
        low = int(at)
        return float(x[low] + (at - low) * (x[min(low + 1, len(x) - 1)] - x[low]))


class Variance(Values):
    def finalize(self):
        x = [v for v, _ in self.values]
        if len(x) < 2:
            return None
        mean = math.fsum(x) / len(x)
        return math.fsum((v - mean) ** 2 for v in x) / (len(x) - 1)


class Deviation(Variance):
    def finalize(self):
        variance = super().finalize()
        return None if variance is None else math.sqrt(variance)


class First(Values):
    def finalize(self):
        return min(self.values, key=lambda v: v[1])[0] if self.values else None


class Last(Values):
    def finalize(self):
        return max(self.values, key=lambda v: v[1])[0] if self.values else None


class Sum(Values):
    def finalize(self):
        x = [v for v, _ in self.values]
        return None if not x else math.fsum(x) if isinstance(x[0], float) else sum(x)


def rounded(unit, seconds):
    if seconds is None:
        return None
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    parts = {"hour": (moment.year, moment.month, moment.day, moment.hour), "day": (moment.year, moment.month, moment.day),
             "month": (moment.year, moment.month, 1), "year": (moment.year, 1, 1)}[unit]
    return int((datetime.datetime(*parts) - datetime.datetime(1970, 1, 1)).total_seconds())


# Without transactions: lack of memory would roll back the rows.
connection = sqlite3.connect(":memory:", isolation_level=None)
# No temporary files: scripts/soak limits their size.
connection.execute("pragma temp_store = memory")
for name, count, aggregate in [("quantile", 2, Quantile), ("variance", 1, Variance), ("stddev", 1, Deviation), ("first_", 2, First), ("last_", 2, Last), ("sum_", 1, Sum)]:
    connection.create_aggregate(name, count, aggregate)
connection.create_function("rounded", 2, rounded, deterministic=True)


def sql(name):
    return '"%s"' % name.replace('"', '""')


# ---- questions: a chain of Lua, SQL, the kinds of the columns of the answer, and whether rounding may differ


def literal(kind, x):
    return lua(float(x)) if kind == "number" else lua(x)


def condition(t):
    """A condition as arguments of `where`, and as SQL with its values."""
    c = pick(t.columns)
    kind = t.kinds[c]
    op = pick(["==", "~=", "<", "<=", ">", ">=", "in", "isnull", "notnull"] if kind != "boolean" else ["==", "~=", "isnull", "notnull"])
    known = [row[t.columns.index(c)] for row in t.data]
    some = lambda: pick(known) if known and chance(0.7) else value(kind, True)
    if op in ("isnull", "notnull"):
        return "%s, %s" % (lua(c), lua(op)), "%s is %snull" % (sql(c), "" if op == "isnull" else "not "), []
    if op == "in":
        list_ = [x for x in (some() for _ in range(random.randrange(0, 6))) if x is not None]
        return (
            '%s, "in", { %s }' % (lua(c), ", ".join(literal(kind, x) for x in list_)),
            "%s in (%s)" % (sql(c), ", ".join("?" * len(list_))),
            list_,
        )
    x = next((x for x in (some() for _ in range(9)) if x is not None), value(kind, True))
    shown = lua(show("time", x)) if kind == "time" and chance(0.5) else literal(kind, x)
    return "%s, %s, %s" % (lua(c), lua(op), shown), "%s %s ?" % (sql(c), {"==": "=", "~=": "<>"}.get(op, op)), [x]


def where(t):
    """Some conditions: Lua, and SQL from "where" on."""
    found = [condition(t) for _ in range(pick([0, 0, 0, 1, 1, 2]))]
    return (
        "".join(":where(%s)" % a for a, _, _ in found),
        "".join((" and " if i else " where ") + b for i, (_, b, _) in enumerate(found)),
        [x for _, _, values in found for x in values],
    )


def order(columns):
    """Of sorted columns: Lua's list and SQL."""
    parts = [(c, chance(0.5)) for c in columns]
    return (
        "{ %s }" % names(("-" if down else "") + c for c, down in parts),
        "".join("%s is null, %s %s, " % (sql(c), sql(c), "desc" if down else "asc") for c, down in parts) + "rowid",
    )


def all_of(t):
    return ", ".join(sql(c) for c in t.columns), [t.kinds[c] for c in t.columns]


def ask_rows(a, b):
    chosen, text_, values = where(a)
    columns = random.sample(a.columns, random.randrange(1, len(a.columns) + 1))
    limit = random.randrange(0, 12) if chance(0.3) else -1
    return (
        "a%s:select(%s)%s" % (chosen, names(columns), ":head(%d)" % limit if limit >= 0 else ""),
        "select %s from a%s order by rowid limit %d" % (", ".join(map(sql, columns)), text_, limit),
        values, [a.kinds[c] for c in columns], False,
    )


def ask_group(a, b):
    chosen, text_, values = where(a)
    keys, shown, kinds = [], [], []
    for c in random.sample(a.columns, min(len(a.columns), pick([0, 1, 1, 1, 2, 3]))):
        kinds.append(a.kinds[c])
        if a.kinds[c] == "time" and chance(0.7) and " " not in c:
            unit = pick(["hour", "day", "month", "year"])
            keys.append("%s %s" % (unit, c))
            shown.append("rounded('%s', %s)" % (unit, sql(c)))
        else:
            keys.append(c)
            shown.append(sql(c))
    asked, aggregates = ['"count as c0"'], ["count(*)"]
    kinds.append("integer")
    for i in range(random.randrange(0, 6)):
        f = pick(["sum", "mean", "min", "max", "first", "last", "variance", "stddev", "median", "quantile", "distinct"])
        fits = a.of("integer", "number") if f in ("sum", "mean", "variance", "stddev", "median", "quantile") else a.columns
        if not fits:
            continue
        c = pick(fits)
        kind, q = a.kinds[c], pick([0, 0.05, 0.25, 0.5, 0.9, 0.95, 1, round(random.random(), 3)])
        if kind == "boolean" and f in ("min", "max"):
            continue
        asked.append("{ %s, %s%s, as = %s }" % (lua(f), lua(c), ", %s" % lua(q) if f == "quantile" else "", lua("r%d" % i)))
        aggregates.append({
            "sum": "sum_(%s)", "mean": "avg(%s)", "min": "min(%s)", "max": "max(%s)", "first": "first_(%s, rowid)", "last": "last_(%s, rowid)",
            "variance": "variance(%s)", "stddev": "stddev(%s)", "median": "quantile(%s, 0.5)", "quantile": "quantile(%%s, %r)" % q,
            "distinct": "count(distinct %s)"}[f] % sql(c))
        kinds.append({"sum": kind, "min": kind, "max": kind, "first": kind, "last": kind, "distinct": "integer"}.get(f, "number"))
    group = " group by %s order by min(rowid)" % ", ".join(shown) if keys else ""
    return (
        "a%s:group({ %s }, { %s })" % (chosen, names(keys), ", ".join(asked)),
        "select %s from a%s%s" % (", ".join(shown + aggregates), text_, group),
        values, kinds, True,
    )


def ask_sort(a, b):
    chosen, text_, values = where(a)
    asked, by = order(random.sample(a.columns, random.randrange(1, min(3, len(a.columns)) + 1)))
    shown, kinds = all_of(a)
    return "a%s:sort(%s)" % (chosen, asked), "select %s from a%s order by %s" % (shown, text_, by), values, kinds, False


def ask_top(a, b):
    chosen, text_, values = where(a)
    c, n, down = pick(a.columns), random.randrange(0, 15), chance(0.5)
    shown, kinds = all_of(a)
    return (
        "a%s:%s(%d, %s)" % (chosen, "top" if down else "bottom", n, lua(c)),
        "select %s from a%s order by %s is null, %s %s, rowid limit %d" % (shown, text_, sql(c), sql(c), "desc" if down else "asc", n),
        values, kinds, False,
    )


def ask_distinct(a, b):
    chosen, text_, values = where(a)
    columns = random.sample(a.columns, random.randrange(1, min(3, len(a.columns)) + 1))
    shown = ", ".join(map(sql, columns))
    return (
        "a%s:distinct(%s)" % (chosen, names(columns)),
        "select %s from a%s group by %s order by min(rowid)" % (shown, text_, shown),
        values, [a.kinds[c] for c in columns], False,
    )


def ask_join(a, b):
    keys = random.sample(["k1", "k2"], random.randrange(1, 3))
    left = chance(0.5)
    others = [c for c in b.columns if c not in keys]
    columns = ["a.%s" % sql(c) for c in a.columns] + ["b.%s" % sql(c) for c in others]
    on = " and ".join("a.%s = b.%s" % (sql(k), sql(k)) for k in keys)
    return (
        "a:join(b, %s%s)" % (lua(keys[0]) if len(keys) == 1 and chance(0.5) else "{ %s }" % names(keys), ', "left"' if left else ""),
        "select %s from a %s join b on %s order by a.rowid, b.rowid" % (", ".join(columns), "left" if left else "inner", on),
        [], [a.kinds[c] for c in a.columns] + [b.kinds[c] for c in others], False,
    )


def ask_fill(a, b):
    c = pick(a.columns)
    kind = a.kinds[c]
    x = value(kind, True)
    shown = ", ".join("coalesce(%s, ?)" % sql(d) if d == c else sql(d) for d in a.columns)
    return "a:fill(%s, %s)" % (lua(c), literal(kind, x)), "select %s from a order by rowid" % shown, [x], all_of(a)[1], False


def ask_append(a, b):
    shown, kinds = all_of(a)
    chosen, text_, values = where(a)
    return (
        "a:append(a%s):select(%s)" % (chosen, names(a.columns)),
        "select %s from (select 0 as p, rowid as r, * from a union all select 1, rowid, * from a%s) order by p, r" % (shown, text_),
        values, kinds, False,
    )


def ask_function(a, b):
    fits = a.of("integer")
    if not fits:
        return None
    c, n = pick(fits), random.randrange(2, 5)
    if chance(0.5):
        shown, kinds = all_of(a)
        return (
            "a:where(function(x) return x and x %% %d == 0 end, %s)" % (n, lua(c)),
            "select %s from a where (%s %% %d) = 0 order by rowid" % (shown, sql(c), n), [], kinds, False,
        )
    return (
        'a:with("made", function(x) return x and x * %d end, %s):select("made"):where("made", "notnull")' % (n, lua(c)),
        "select %s * %d from a where %s is not null order by rowid" % (sql(c), n, sql(c)), [], ["integer"], False,
    )


def ask_pieces(a, b):
    n = random.randrange(1, 7)
    shown, kinds = all_of(a)
    return "pieces(a, %d)" % n, "select %s from a order by rowid" % shown, [], kinds, False


def ask_written(a, b):
    shown, kinds = all_of(a)
    # In CSV an empty string and null look alike, unless quotes tell them apart; no value here is an empty string.
    return 'written(a, %s, { %s })' % (lua(pick(["csv", "tsv", "jsonl"])), names("%s %s" % (c, a.kinds[c]) for c in a.columns)), \
        "select %s from a order by rowid" % shown, [], kinds, False


asks = [ask_rows, ask_rows, ask_group, ask_group, ask_group, ask_sort, ask_top, ask_distinct, ask_join, ask_join, ask_fill, ask_append, ask_function,
        ask_pieces, ask_written]


short = [ask_group, ask_group, ask_top, ask_distinct]
longest = 200000 # rows of an answer


def answer(kinds, rows):
    for row in rows:
        yield "{ %s }" % ", ".join(
            "null" if x is None else lua(bool(x)) if kind == "boolean" else lua(float(x)) if kind == "number" else lua(x) for kind, x in zip(kinds, row))


print("local null = ...\nreturn {")
left = wanted
while left > 0:
    keys = {"k1": pick(["string", "string", "integer", "number", "time"]), "k2": pick(["string", "integer", "boolean"])}
    pools = {k: [value(kind, False) for _ in range(pick([1, 3, 30]))] for k, kind in keys.items()}
    # So many rows are more than one piece of a file; then the answers must be short.
    is_large = most > 100 and chance(0.01)
    a, b = (Table(name, keys, pools, 60000 if is_large and name == "a" else min(most, pick([0, 1, 2, 5, 20, 60, 200, 200, 3000 if chance(0.2) else 200]))) for name in "ab")
    print("{ files = {")
    for t in (a, b):
        print("  { %s, %s, %s, %s }," % (lua(t.path), lua(t.text), lua(t.options), lua(t.renames)))
    print("}, questions = {")
    for _ in range(3 if is_large or a.is_long or b.is_long else 12):
        asked = left > 0 and pick(short if is_large else asks)(a, b)
        if asked:
            chain, text_, values, kinds, is_about = asked
            # A join of equal keys has millions of rows, and scripts/soak limits memory.
            try:
                rows = connection.execute(text_, values).fetchmany(longest + 1)
            except MemoryError:
                continue
            if len(rows) > longest:
                continue
            left -= 1
            print("  { %s, %s, %d, { %s } }," % (lua(chain), lua(is_about), len(kinds), ", ".join(answer(kinds, rows))))
    print("} },")
print("}")
